/** Planes, slices and coordinates. Voxels are [x, y, z] from the map's corner; no drawing here. */

export type Vec3 = [number, number, number];

/** A slice plane: which axis runs right, which runs up, and which one the slice is picked along. */
export interface Plane {
  name: string;
  right: 0 | 1 | 2;
  up: 0 | 1 | 2;
  normal: 0 | 1 | 2;
}

export const AXES = ['x', 'y', 'z'] as const;

export const PLANES: readonly Plane[] = [
  { name: 'xy', right: 0, up: 1, normal: 2 },
  { name: 'xz', right: 0, up: 2, normal: 1 },
  { name: 'yz', right: 1, up: 2, normal: 0 },
];

/** 8-bit volume, x fastest; `binning` voxels of the map along each axis make one of these. */
export interface Volume {
  data: Uint8Array;
  shape: Vec3; // [nx, ny, nz]
  binning: number;
}

/** One plane of a volume, `right` fastest, `up` from low to high. */
export interface Slice {
  data: Uint8Array;
  width: number;
  height: number;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Index in the (binned) volume of a voxel of the map. */
export function binnedIndex(voxel: number, volume: Volume, axis: number): number {
  return clamp(Math.floor(voxel / volume.binning), 0, volume.shape[axis] - 1);
}

export function extractSlice(volume: Volume, plane: Plane, voxel: number): Slice {
  const [nx, ny] = volume.shape;
  const strides = [1, nx, nx * ny];
  const width = volume.shape[plane.right];
  const height = volume.shape[plane.up];
  const start = binnedIndex(voxel, volume, plane.normal) * strides[plane.normal];
  const [right, up] = [strides[plane.right], strides[plane.up]];
  const data = new Uint8Array(width * height);
  for (let v = 0; v < height; v++) {
    for (let u = 0, from = start + v * up; u < width; u++, from += right) data[v * width + u] = volume.data[from];
  }
  return { data, width, height };
}

/** Map voxel at the centre of a position in the binned grid. */
export function binnedToVoxel(position: number, binning: number): number {
  return position * binning + (binning - 1) / 2;
}

/** Where a voxel coordinate lies across a square of `size` pixels; voxel centres, outer edges at -0.5. */
export function voxelToScreen(voxel: number, box: number, size: number): number {
  return ((voxel + 0.5) / box) * size;
}

/** The voxel coordinate under a position across the square; inverse of `voxelToScreen`. */
export function screenToVoxel(position: number, box: number, size: number): number {
  return (position / size) * box - 0.5;
}

/** Å from the map's centre, which is voxel floor(N / 2). */
export function toAngstrom(voxel: number, box: number, voxelSize: number): number {
  return (voxel - Math.floor(box / 2)) * voxelSize;
}

/** A round length in Å that fits in about a quarter of the box, for the scale bar. */
export function scaleBarAngstrom(boxAngstrom: number): number {
  const limit = boxAngstrom / 4;
  const decade = 10 ** Math.floor(Math.log10(limit));
  return [5, 2, 1].map(step => step * decade).find(length => length <= limit) ?? decade;
}
