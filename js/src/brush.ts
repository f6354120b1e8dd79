/**
 * The brush's rule: a voxel is in a sphere when |voxel - centre| <= radius, places in voxels of the
 * first map. Python follows the same rule with the same order of sums (`masks/eraser.py`); both are
 * tested on the same cases, so that what is painted here at once is what is committed there.
 */
import type { Vec3, Volume } from './geometry';

/** x, y, z and radius in voxels of the first map. */
export type Sphere = [number, number, number, number];

/** Only voxels whose byte in this volume is at least `least` are touched. Same grid as the mask. */
export interface Gate {
  data: Uint8Array;
  least: number;
}

/** A box of the volume's own voxels. */
export interface Box {
  low: Vec3;
  high: Vec3; // first voxel beyond
}

/** Set every voxel in the sphere to a value; the box that was looked at, or null if the sphere misses. */
export function stamp(volume: Volume, sphere: Sphere, value: number, gate: Gate | null = null): Box | null {
  const { data, shape, scale, offset } = volume;
  const [cx, cy, cz, radius] = sphere;
  const squared = radius * radius;
  const low: Vec3 = [0, 0, 0];
  const high: Vec3 = [0, 0, 0];
  for (const axis of [0, 1, 2] as const) {
    low[axis] = Math.max(0, Math.floor((sphere[axis] - radius - offset[axis]) / scale));
    high[axis] = Math.min(shape[axis], Math.ceil((sphere[axis] + radius - offset[axis]) / scale) + 1);
    if (low[axis] >= high[axis]) return null;
  }
  for (let k = low[2]; k < high[2]; k++) {
    const dz = k * scale + offset[2] - cz;
    for (let j = low[1]; j < high[1]; j++) {
      const dy = j * scale + offset[1] - cy;
      const across = dz * dz + dy * dy;
      if (across > squared) continue;
      const row = shape[0] * (j + shape[1] * k);
      for (let i = low[0]; i < high[0]; i++) {
        const dx = i * scale + offset[0] - cx;
        if (across + dx * dx > squared) continue;
        if (gate && gate.data[row + i] < gate.least) continue;
        data[row + i] = value;
      }
    }
  }
  return { low, high };
}

/** The box about two. */
export function joined(first: Box | null, second: Box | null): Box | null {
  if (!first || !second) return first ?? second;
  return {
    low: first.low.map((value, axis) => Math.min(value, second.low[axis])) as Vec3,
    high: first.high.map((value, axis) => Math.max(value, second.high[axis])) as Vec3,
  };
}

/** Set `size` voxels from `low` to what is given, x fastest. */
export function setBox({ data, shape }: Volume, low: Vec3, size: Vec3, part: Uint8Array): void {
  for (let z = 0, from = 0; z < size[2]; z++) {
    for (let y = 0; y < size[1]; y++, from += size[0]) {
      data.set(part.subarray(from, from + size[0]), low[0] + shape[0] * (low[1] + y + shape[1] * (low[2] + z)));
    }
  }
}

/** Set all voxels of a box to 0. */
export function clearBox({ data, shape }: Volume, box: Box | null): void {
  if (!box) return;
  for (let z = box.low[2]; z < box.high[2]; z++) {
    for (let y = box.low[1]; y < box.high[1]; y++) {
      const row = shape[0] * (y + shape[1] * z);
      data.fill(0, row + box.low[0], row + box.high[0]);
    }
  }
}

/** To a hundredth of a voxel: short to send and to read in a recipe, and the same on both sides. */
export function rounded(place: ArrayLike<number>): Vec3 {
  return Array.from(place, value => Math.round(value * 100) / 100) as Vec3;
}

/** Spheres from one place to the next, so close that their union has no steps; the first place left out. */
export function between(from: Vec3, to: Vec3, radius: number): Vec3[] {
  const step = to.map((value, axis) => value - from[axis]);
  const length = Math.hypot(...step);
  const count = Math.ceil(length / Math.max(0.5, radius / 4));
  return Array.from({ length: count }, (_, i) => rounded(from.map((value, axis) => value + (step[axis] * (i + 1)) / count)));
}
