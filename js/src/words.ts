/** What the view says in words. */
import { type Vec3, toAngstrom } from './geometry';

/** A number with a true minus sign and no negative zero. */
export function say(value: number, digits = 1): string {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace('-', '−');
}

export function sayVoxels(point: ArrayLike<number>): string {
  const whole = Array.from(point).every(value => Number.isInteger(value));
  return `(${Array.from(point, value => say(value, whole ? 0 : 1)).join(', ')})`;
}

export function sayAngstrom(point: ArrayLike<number>, box: number, voxelSize: number): string {
  return `(${Array.from(point, value => say(toAngstrom(value, box, voxelSize))).join(', ')})`;
}

/** Both units, always together. */
export function sayPlace(point: ArrayLike<number>, box: number, voxelSize: number): string {
  return `${sayVoxels(point)} voxels = ${sayAngstrom(point, box, voxelSize)} Å from the centre`;
}

export function sayDensity(density: number, mask?: number): string {
  const value = Math.abs(density) >= 1e-3 || density === 0 ? say(density, 4) : density.toExponential(2).replace(/-/g, '−');
  return `density ${value}` + (mask === undefined ? '' : `, mask ${say(mask, 2)}`);
}

/** How far the fulcrum is from a slice: "in this slice", "3 voxels above". */
export function sayDistance(fulcrum: Vec3, axis: number, slice: number): string {
  const distance = fulcrum[axis] - slice;
  if (Math.abs(distance) <= 0.5) return 'fulcrum in this slice';
  const count = Math.abs(distance) < 1.5 ? '1 voxel' : `${Math.round(Math.abs(distance))} voxels`;
  return `fulcrum ${count} ${distance > 0 ? 'further on' : 'back'}`;
}
