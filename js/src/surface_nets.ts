/**
 * The surface where a volume passes a level, by surface nets: one vertex in each cell of eight voxels
 * that the surface crosses, at the mean of the points where it crosses the cell's edges (Gibson 1998).
 *
 * The functions here are sent to a worker as text (`mesher.ts`), so each uses nothing outside itself.
 */

export interface Mesh {
  positions: Float32Array; // x, y, z in the volume's own voxels
  normals: Float32Array; // unit length, away from what is above the level
  indices: Uint32Array; // triangles
}

/** Lowest and highest value in blocks of 8^3 cells, so that a level looks only where it passes. */
export interface Ranges {
  low: Uint8Array;
  high: Uint8Array;
}

export function blockRanges(data: Uint8Array, shape: readonly number[]): Ranges {
  const [nx, ny, nz] = shape;
  const [bx, by, bz] = [nx, ny, nz].map(n => Math.max(1, (n + 6) >> 3));
  const low = new Uint8Array(bx * by * bz).fill(255);
  const high = new Uint8Array(bx * by * bz);
  // Rows are reduced to blocks once; the voxel between two blocks belongs to both.
  const [rowLow, rowHigh] = [new Uint8Array(bx), new Uint8Array(bx)];
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = nx * (y + ny * z);
      for (let b = 0; b < bx; b++) {
        let least = 255;
        let most = 0;
        for (let at = row + 8 * b, end = row + Math.min(8 * b + 9, nx); at < end; at++) {
          const value = data[at];
          if (value < least) least = value;
          if (value > most) most = value;
        }
        rowLow[b] = least;
        rowHigh[b] = most;
      }
      for (let k = Math.max(0, (z - 1) >> 3); k <= Math.min(bz - 1, z >> 3); k++) {
        for (let j = Math.max(0, (y - 1) >> 3); j <= Math.min(by - 1, y >> 3); j++) {
          const to = bx * (j + by * k);
          for (let b = 0; b < bx; b++) {
            if (rowLow[b] < low[to + b]) low[to + b] = rowLow[b];
            if (rowHigh[b] > high[to + b]) high[to + b] = rowHigh[b];
          }
        }
      }
    }
  }
  return { low, high };
}

/** Mean over blocks of 2^3 voxels: a coarser volume, for a surface that is quick to draw. */
export function halved(data: Uint8Array, shape: readonly number[]): { data: Uint8Array; shape: [number, number, number] } {
  const [nx, ny, nz] = shape;
  const [mx, my, mz] = [nx >> 1, ny >> 1, nz >> 1];
  const out = new Uint8Array(mx * my * mz);
  for (let z = 0, to = 0; z < mz; z++) {
    for (let y = 0; y < my; y++) {
      const [a, b] = [nx * (2 * y + ny * 2 * z), nx * (2 * y + ny * (2 * z + 1))];
      for (let x = 0; x < mx; x++, to++) {
        const i = a + 2 * x;
        const j = b + 2 * x;
        const sum = data[i] + data[i + 1] + data[i + nx] + data[i + nx + 1] + data[j] + data[j + 1] + data[j + nx] + data[j + nx + 1];
        out[to] = (sum + 4) >> 3;
      }
    }
  }
  return { data: out, shape: [mx, my, mz] };
}

export function surfaceNets(data: Uint8Array, shape: readonly number[], ranges: Ranges, level: number): Mesh {
  const [nx, ny, nz] = shape;
  const plane = nx * ny;
  const [bx, by] = [Math.max(1, (nx + 6) >> 3), Math.max(1, (ny + 6) >> 3)];
  let positions = new Float32Array(3 * 4096);
  let indices = new Uint32Array(6 * 4096);
  let [vertices, written] = [0, 0];
  // The vertex of each cell of this layer of cells and of the one below.
  let above = new Uint32Array(plane);
  let below = new Uint32Array(plane);
  const quad = (a: number, b: number, c: number, d: number, outward: boolean) => {
    if (written + 6 > indices.length) {
      const larger = new Uint32Array(2 * indices.length);
      larger.set(indices);
      indices = larger;
    }
    indices[written] = indices[written + 3] = a;
    indices[written + 1] = outward ? b : c;
    indices[written + 2] = outward ? c : b;
    indices[written + 4] = outward ? c : d;
    indices[written + 5] = outward ? d : c;
    written += 6;
  };
  for (let z = 0; z + 1 < nz; z++) {
    [above, below] = [below, above];
    for (let y = 0; y + 1 < ny; y++) {
      const blocks = bx * ((y >> 3) + by * (z >> 3));
      for (let b = 0; b < bx; b++) {
        if (ranges.high[blocks + b] <= level || ranges.low[blocks + b] > level) continue;
        for (let x = 8 * b, end = Math.min(8 * b + 8, nx - 1); x < end; x++) {
          const at = x + nx * (y + ny * z);
          const v0 = data[at];
          const v1 = data[at + 1];
          const v2 = data[at + nx];
          const v3 = data[at + nx + 1];
          const v4 = data[at + plane];
          const v5 = data[at + plane + 1];
          const v6 = data[at + plane + nx];
          const v7 = data[at + plane + nx + 1];
          const s0 = v0 > level;
          const s1 = v1 > level;
          const s2 = v2 > level;
          const s3 = v3 > level;
          const s4 = v4 > level;
          const s5 = v5 > level;
          const s6 = v6 > level;
          const s7 = v7 > level;
          if (s0 === s1 && s0 === s2 && s0 === s3 && s0 === s4 && s0 === s5 && s0 === s6 && s0 === s7) continue;
          let px = 0;
          let py = 0;
          let pz = 0;
          let count = 0;
          if (s0 !== s1) { px += (level - v0) / (v1 - v0); count++; }
          if (s2 !== s3) { px += (level - v2) / (v3 - v2); py++; count++; }
          if (s4 !== s5) { px += (level - v4) / (v5 - v4); pz++; count++; }
          if (s6 !== s7) { px += (level - v6) / (v7 - v6); py++; pz++; count++; }
          if (s0 !== s2) { py += (level - v0) / (v2 - v0); count++; }
          if (s1 !== s3) { py += (level - v1) / (v3 - v1); px++; count++; }
          if (s4 !== s6) { py += (level - v4) / (v6 - v4); pz++; count++; }
          if (s5 !== s7) { py += (level - v5) / (v7 - v5); px++; pz++; count++; }
          if (s0 !== s4) { pz += (level - v0) / (v4 - v0); count++; }
          if (s1 !== s5) { pz += (level - v1) / (v5 - v1); px++; count++; }
          if (s2 !== s6) { pz += (level - v2) / (v6 - v2); py++; count++; }
          if (s3 !== s7) { pz += (level - v3) / (v7 - v3); px++; py++; count++; }
          if (3 * vertices + 3 > positions.length) {
            const larger = new Float32Array(2 * positions.length);
            larger.set(positions);
            positions = larger;
          }
          positions[3 * vertices] = x + px / count;
          positions[3 * vertices + 1] = y + py / count;
          positions[3 * vertices + 2] = z + pz / count;
          const cell = x + nx * y;
          above[cell] = vertices++;
          // Each edge from this cell's first voxel is shared with three cells that came before.
          if (s0 !== s1 && y > 0 && z > 0) quad(above[cell], above[cell - nx], below[cell - nx], below[cell], s0);
          if (s0 !== s2 && x > 0 && z > 0) quad(above[cell], below[cell], below[cell - 1], above[cell - 1], s0);
          if (s0 !== s4 && x > 0 && y > 0) quad(above[cell], above[cell - 1], above[cell - nx - 1], above[cell - nx], s0);
        }
      }
    }
  }
  positions = positions.slice(0, 3 * vertices);
  indices = indices.slice(0, written);
  const normals = new Float32Array(3 * vertices);
  for (let i = 0; i < written; i += 3) {
    const a = 3 * indices[i];
    const b = 3 * indices[i + 1];
    const c = 3 * indices[i + 2];
    const ux = positions[b] - positions[a];
    const uy = positions[b + 1] - positions[a + 1];
    const uz = positions[b + 2] - positions[a + 2];
    const vx = positions[c] - positions[a];
    const vy = positions[c + 1] - positions[a + 1];
    const vz = positions[c + 2] - positions[a + 2];
    const x = uy * vz - uz * vy;
    const y = uz * vx - ux * vz;
    const z = ux * vy - uy * vx;
    for (let k = 0; k < 3; k++) {
      const at = 3 * indices[i + k];
      normals[at] += x;
      normals[at + 1] += y;
      normals[at + 2] += z;
    }
  }
  for (let i = 0; i < normals.length; i += 3) {
    const size = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    normals[i] /= size;
    normals[i + 1] /= size;
    normals[i + 2] /= size;
  }
  return { positions, normals, indices };
}
