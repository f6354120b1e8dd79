/** What a turn about the fulcrum does to the masked region; lengths in voxels of the map. */
import type { Grid, Vec3 } from './geometry';
import { cross, length, subtract, unit } from './vectors';
import { say } from './words';

export interface Region {
  /** Centre of mass of the mask. */
  centre: Vec3;
  /** Corners of its convex hull: the voxel farthest from any point is one of them. */
  corners: Float32Array;
}

export type AxisName = 'swing' | 'cross' | 'twist' | 'x' | 'y' | 'z';

/** In the order of the menu. */
export const AXIS_WORDS: Readonly<Record<AxisName, string>> = {
  swing: 'swing, across the lever', cross: 'swing, the other way', twist: 'twist, along the lever', x: 'x axis', y: 'y axis', z: 'z axis',
};

export function farthest(region: Region, from: Vec3): { point: Vec3; distance: number } {
  const { corners } = region;
  let [point, distance]: [Vec3, number] = [region.centre, -1];
  for (let i = 0; i < corners.length; i += 3) {
    const corner: Vec3 = [corners[i], corners[i + 1], corners[i + 2]];
    const away = length(subtract(corner, from));
    if (away > distance) [point, distance] = [corner, away];
  }
  return { point, distance: Math.max(distance, 0) };
}

/** The straight way of a point at a distance from the axis that turns by an angle (radians). */
export function chord(distance: number, angle: number): number {
  return 2 * distance * Math.sin(Math.min(Math.abs(angle), Math.PI) / 2);
}

/**
 * The axis of a preview through the fulcrum. The two swings are across the line to the region's
 * centre, the first one also across the map axis that lies most across it; the twist is along it.
 */
export function axisOf(name: AxisName, region: Region, fulcrum: Vec3): Vec3 {
  if (name === 'x' || name === 'y' || name === 'z') return [+(name === 'x'), +(name === 'y'), +(name === 'z')];
  const lever = unit(subtract(region.centre, fulcrum)); // z when the fulcrum is the centre
  if (name === 'twist') return lever;
  const sizes = lever.map(Math.abs);
  const least = sizes.indexOf(Math.min(...sizes));
  const first = unit(cross(lever, [+(least === 0), +(least === 1), +(least === 2)]));
  return name === 'swing' ? first : cross(lever, first);
}

/** "20° here moves the far end by 17 Å", and the shifts, in both units. */
export function saySwing(region: Region, fulcrum: Vec3, extentRad: number, shiftPx: number, grid: Grid): [string, string] {
  // A number and its unit stay on one line.
  const angstrom = (voxels: number) => `${sayShort(voxels * grid.voxelSize)}\u00a0Å`;
  const end = farthest(region, fulcrum).distance;
  const middle = length(subtract(region.centre, fulcrum));
  return [
    `${say((extentRad * 180) / Math.PI, 0)}° here moves the far end, ${angstrom(end)} away, by ${angstrom(chord(end, extentRad))} and the ` +
      `region’s centre, ${angstrom(middle)} away, by ${angstrom(chord(middle, extentRad))}.`,
    `Shift extent ${+shiftPx.toFixed(2)} px = ${angstrom(shiftPx)} across, ${angstrom(shiftPx / 2)} to every side.`,
  ];
}

/** Whole Å where they are many, one decimal where few. */
function sayShort(value: number): string {
  return say(value, value < 9.95 ? 1 : 0);
}

/** Where a point of the region comes to lie. */
export function turned(point: Vec3, about: Vec3, axis: Vec3, angle: number): Vec3 {
  const from = subtract(point, about);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const across = cross(axis, from);
  const along = axis[0] * from[0] + axis[1] * from[1] + axis[2] * from[2];
  return [0, 1, 2].map(i => about[i] + from[i] * c + across[i] * s + axis[i] * along * (1 - c)) as Vec3;
}

