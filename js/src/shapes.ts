/** Small meshes and line figures of the surface picture. */
import type { Grid, Vec3 } from './geometry';
import type { Mesh } from './surface_nets';

/** A ball of radius 1: an octahedron whose faces are halved `steps` times. */
export function ball(steps = 4): Mesh {
  const positions: number[] = [];
  const indices: number[] = [];
  const n = 2 ** steps;
  for (const sx of [1, -1]) for (const sy of [1, -1]) for (const sz of [1, -1]) {
    const first = positions.length / 3;
    for (let i = 0; i <= n; i++) {
      for (let j = 0; j <= n - i; j++) {
        const [x, y, z] = [i, j, n - i - j];
        const size = Math.hypot(x, y, z);
        positions.push((sx * x) / size, (sy * y) / size, (sz * z) / size);
      }
    }
    const at = (i: number, j: number) => first + i * (n + 1) - (i * (i - 1)) / 2 + j;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n - i; j++) {
        indices.push(at(i, j), at(i + 1, j), at(i, j + 1));
        if (j + 1 < n - i) indices.push(at(i + 1, j), at(i + 1, j + 1), at(i, j + 1));
      }
    }
  }
  const points = Float32Array.from(positions);
  return { positions: points, normals: points.slice(), indices: Uint32Array.from(indices) };
}

/** The twelve edges of the box, from outer face to outer face; pairs of points. */
export function boxEdges(grid: Grid): Float32Array {
  const ends = grid.shape.map(size => [-0.5, size - 0.5]);
  const points: number[] = [];
  for (let axis = 0; axis < 3; axis++) {
    const [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
    for (const i of [0, 1]) for (const j of [0, 1]) for (const end of [0, 1]) {
      const point: Vec3 = [0, 0, 0];
      point[axis] = ends[axis][end];
      point[a] = ends[a][i];
      point[b] = ends[b][j];
      points.push(...point);
    }
  }
  return Float32Array.from(points);
}

/** Three lines through a point, along the axes and across the box. */
export function crossHair(grid: Grid, at: ArrayLike<number>): Float32Array {
  const points: number[] = [];
  for (let axis = 0; axis < 3; axis++) {
    for (const end of [-0.5, grid.shape[axis] - 0.5]) {
      const point = [at[0], at[1], at[2]];
      point[axis] = end;
      points.push(...point);
    }
  }
  return Float32Array.from(points);
}
