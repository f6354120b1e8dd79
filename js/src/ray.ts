/** Where a line of sight first meets the surface of a volume. */
import type { Ray } from './camera';
import type { Vec3, Volume } from './geometry';

/** Trilinear value at a point of the volume's own voxels; -1 outside the voxel centres. */
export function valueAt(volume: Volume, x: number, y: number, z: number): number {
  const [nx, ny, nz] = volume.shape;
  if (!(x >= 0 && y >= 0 && z >= 0 && x <= nx - 1 && y <= ny - 1 && z <= nz - 1)) return -1;
  const [i, j, k] = [Math.min(Math.floor(x), nx - 2), Math.min(Math.floor(y), ny - 2), Math.min(Math.floor(z), nz - 2)];
  const [u, v, w] = [x - i, y - j, z - k];
  const { data } = volume;
  const at = i + nx * (j + ny * k);
  const plane = nx * ny;
  const low = (data[at] * (1 - u) + data[at + 1] * u) * (1 - v) + (data[at + nx] * (1 - u) + data[at + nx + 1] * u) * v;
  const up = at + plane;
  const high = (data[up] * (1 - u) + data[up + 1] * u) * (1 - v) + (data[up + nx] * (1 - u) + data[up + nx + 1] * u) * v;
  return low * (1 - w) + high * w;
}

/** The first point on the ray that reaches the level (0 to 255), in voxels of the first map, and how far it is. */
export function firstHit(volume: Volume, level: number, ray: Ray): { point: Vec3; distance: number } | null {
  const { scale, offset, shape } = volume;
  const from = ray.origin.map((value, axis) => (value - offset[axis]) / scale) as Vec3;
  const step = ray.direction.map(value => value / scale) as Vec3;
  let [near, far] = [0, Infinity];
  for (let axis = 0; axis < 3; axis++) {
    if (Math.abs(step[axis]) < 1e-12) {
      if (from[axis] < 0 || from[axis] > shape[axis] - 1) return null;
      continue;
    }
    const ends = [-from[axis] / step[axis], (shape[axis] - 1 - from[axis]) / step[axis]].sort((a, b) => a - b);
    near = Math.max(near, ends[0]);
    far = Math.min(far, ends[1]);
  }
  const at = (t: number) => valueAt(volume, from[0] + t * step[0], from[1] + t * step[1], from[2] + t * step[2]);
  const pace = 0.5 * scale;
  for (let t = near; t <= far; t += pace) {
    if (at(t) <= level) continue;
    let [low, high] = [Math.max(near, t - pace), t];
    for (let i = 0; i < 12 && at(low) <= level; i++) {
      const half = (low + high) / 2;
      if (at(half) > level) high = half;
      else low = half;
    }
    return { point: ray.origin.map((value, axis) => value + high * ray.direction[axis]) as Vec3, distance: high };
  }
  return null;
}
