/** What the view says in words. */
import { AXES, type Grid, type Vec3, toAngstrom } from './geometry';

/** A number with a true minus sign and no negative zero. */
export function say(value: number, digits = 1): string {
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace('-', '−');
}

export function sayVoxels(point: ArrayLike<number>): string {
  const whole = Array.from(point).every(value => Number.isInteger(value));
  return `(${Array.from(point, value => say(value, whole ? 0 : 1)).join(', ')})`;
}

export function sayAngstrom(point: ArrayLike<number>, grid: Grid): string {
  return `(${Array.from(point, (value, axis) => say(toAngstrom(value, grid.shape[axis], grid.voxelSize))).join(', ')})`;
}

/** Both units, always together. */
export function sayPlace(point: ArrayLike<number>, grid: Grid): string {
  return `${sayVoxels(point)} voxels = ${sayAngstrom(point, grid)} Å from the centre`;
}

export function sayDensity(density: number): string {
  return Math.abs(density) >= 1e-3 || density === 0 ? say(density, 4) : density.toExponential(2).replace(/-/g, '−');
}

export function sayLevel(level: number): string {
  return String(Number(level.toPrecision(4))).replace(/-/g, '−');
}

/** Three digits, for a field of numbers. */
export function sayMass(kda: number): string {
  return kda >= 100 ? kda.toFixed(0) : String(Number(kda.toPrecision(3)));
}

/** "128³ voxels of 1.3 Å", or each size where they differ. */
export function sayGrid(grid: Grid): string {
  const [x, y, z] = grid.shape;
  const box = x === y && y === z ? `${x}³` : `${x} × ${y} × ${z}`;
  return `${box} voxels of ${+grid.voxelSize.toFixed(3)} Å`;
}

/** Where the fulcrum is along an axis, beside a slice's heading, and in full for a tooltip. */
export function sayFulcrum(fulcrum: Vec3, axis: number, slice: number): { short: string; full: string } {
  const distance = fulcrum[axis] - slice;
  if (Math.abs(distance) <= 0.5) return { short: 'fulcrum here', full: 'The fulcrum is in this slice' };
  const at = say(fulcrum[axis], Number.isInteger(fulcrum[axis]) ? 0 : 1);
  const count = Math.abs(distance) < 1.5 ? '1 voxel' : `${Math.round(Math.abs(distance))} voxels`;
  return { short: `fulcrum at ${at}`, full: `The fulcrum is at ${AXES[axis]} = ${at}, ${count} ${distance > 0 ? 'further on' : 'back'}` };
}
