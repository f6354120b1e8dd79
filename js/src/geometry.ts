/** Planes, slices and coordinates. Places are voxels [x, y, z] of the first map, from its corner. */

export type Vec3 = [number, number, number];

/** A slice plane: which axis runs right, which runs up, and which one the slice is picked along. */
export interface Plane {
  name: 'xy' | 'xz' | 'yz';
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

/** The first map's grid, in whose voxels every place is told. */
export interface Grid {
  shape: Vec3; // [nx, ny, nz]
  voxelSize: number; // Å
}

/**
 * An 8-bit volume, x fastest, on a grid of its own: voxel `i` of it lies at voxel
 * `scale * i + offset` of the first map. A map binned for display is one, so is a map of other voxels.
 */
export interface Volume {
  data: Uint8Array;
  shape: Vec3;
  scale: number;
  offset: Vec3;
}

/** One plane of a volume, `right` fastest, `up` from low to high; placed as its volume is. */
export interface Slice {
  data: Uint8Array;
  width: number;
  height: number;
  scale: number;
  right: number; // of its first voxel, in voxels of the first map
  up: number;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Index along one axis of the volume's voxel nearest to a voxel of the first map; -1: beyond it. */
export function indexAt(voxel: number, volume: Volume, axis: number): number {
  const index = Math.round((voxel - volume.offset[axis]) / volume.scale);
  // Binning leaves out the last voxels that fill no block; they are shown as the block before.
  return index < -1 || index > volume.shape[axis] ? -1 : clamp(index, 0, volume.shape[axis] - 1);
}

/** The slice at a voxel of the first map; null where the volume does not reach. */
export function extractSlice(volume: Volume, plane: Plane, voxel: number): Slice | null {
  const { shape, scale, offset } = volume;
  const index = indexAt(voxel, volume, plane.normal);
  if (index < 0) return null;
  const strides = [1, shape[0], shape[0] * shape[1]];
  const [width, height] = [shape[plane.right], shape[plane.up]];
  const start = index * strides[plane.normal];
  const [right, up] = [strides[plane.right], strides[plane.up]];
  const data = new Uint8Array(width * height);
  for (let v = 0, to = 0; v < height; v++) {
    const from = start + v * up;
    if (right === 1) data.set(volume.data.subarray(from, from + width), to);
    else for (let u = 0, at = from; u < width; u++, at += right) data[to + u] = volume.data[at];
    to += width;
  }
  return { data, width, height, scale, right: offset[plane.right], up: offset[plane.up] };
}

/** What a slice's square shows: which voxel is in the middle, and how large a voxel is there. */
export interface Window2D {
  width: number; // CSS pixels
  height: number;
  pixelsPerVoxel: number;
  right: number; // voxel in the middle
  up: number;
}

/** The whole plane at zoom 1, voxel centres on whole numbers, outer edges at -0.5. */
export function sliceWindow(grid: Grid, plane: Plane, width: number, height: number, zoom: number, centre: Vec3): Window2D {
  const [right, up] = [grid.shape[plane.right], grid.shape[plane.up]];
  const pixelsPerVoxel = Math.min(width / right, height / up) * zoom;
  return { width, height, pixelsPerVoxel, right: centre[plane.right], up: centre[plane.up] };
}

export function toScreen(window: Window2D, right: number, up: number): [number, number] {
  const { width, height, pixelsPerVoxel } = window;
  return [width / 2 + (right - window.right) * pixelsPerVoxel, height / 2 - (up - window.up) * pixelsPerVoxel];
}

/** The voxels [right, up] under a point of the screen; inverse of `toScreen`. */
export function fromScreen(window: Window2D, x: number, y: number): [number, number] {
  const { width, height, pixelsPerVoxel } = window;
  return [window.right + (x - width / 2) / pixelsPerVoxel, window.up - (y - height / 2) / pixelsPerVoxel];
}

export function middle(grid: Grid): Vec3 {
  return grid.shape.map(size => (size - 1) / 2) as Vec3;
}

/** The nearest whole voxel inside the grid. */
export function wholeVoxel(voxel: ArrayLike<number>, grid: Grid): Vec3 {
  return Array.from(voxel, (value, axis) => clamp(Math.round(value), 0, grid.shape[axis] - 1)) as Vec3;
}

/** Å from the map's centre, which is voxel floor(N / 2). */
export function toAngstrom(voxel: number, size: number, voxelSize: number): number {
  return (voxel - Math.floor(size / 2)) * voxelSize;
}

export function fromAngstrom(angstrom: number, size: number, voxelSize: number): number {
  return angstrom / voxelSize + Math.floor(size / 2);
}

/** A round length in Å that fits in about a quarter of what is shown, for the scale bar. */
export function scaleBarAngstrom(shownAngstrom: number): number {
  const limit = shownAngstrom / 4;
  const decade = 10 ** Math.floor(Math.log10(limit));
  return [5, 2, 1].map(step => step * decade).find(length => length <= limit) ?? decade;
}
