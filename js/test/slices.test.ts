import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Grid, PLANES, type Vec3, type Volume, extractSlice, fromAngstrom, fromScreen, indexAt, scaleBarAngstrom, sliceWindow, toAngstrom, toScreen, wholeVoxel } from '../src/geometry';
import { movedSlice } from '../src/layers';
import { chained, outline } from '../src/outline';
import { rotation } from '../src/vectors';
import { say, sayDensity, sayFulcrum, sayGrid, sayMass, sayPlace } from '../src/words';

/** Each voxel holds its own x + 4 y + 20 z; not cubic. */
const block: Volume = { data: Uint8Array.from({ length: 60 }, (_, i) => i), shape: [4, 5, 3], scale: 1, offset: [0, 0, 0] };

test('slices take the axes that they name', () => {
  const [xy, xz, yz] = PLANES.map(plane => extractSlice(block, plane, 2)!);
  const at = (slice: typeof xy, right: number, up: number) => slice.data[up * slice.width + right];
  assert.equal(at(xy, 1, 3), 1 + 4 * 3 + 20 * 2);
  assert.equal(at(xz, 1, 2), 1 + 4 * 2 + 20 * 2);
  assert.equal(at(yz, 4, 1), 2 + 4 * 4 + 20 * 1);
  assert.deepEqual([xy, xz, yz].map(slice => [slice.width, slice.height]), [[4, 5], [4, 3], [5, 3]]);
});

test('a binned volume shows the block that a voxel lies in, and its remainder as the last block', () => {
  for (const binning of [2, 3, 4]) {
    const binned: Volume = { ...block, scale: binning, offset: [0, 0, 0].map(() => (binning - 1) / 2) as Vec3 };
    for (let voxel = 0; voxel < 3 * binning; voxel++) assert.equal(indexAt(voxel, binned, 2), Math.floor(voxel / binning));
    assert.equal(indexAt(3 * binning, binned, 2), 2);
  }
});

test('a volume that does not reach a slice has none there', () => {
  const apart: Volume = { ...block, offset: [0, 0, 20] };
  assert.equal(extractSlice(apart, PLANES[0], 5), null);
  assert.equal(extractSlice(apart, PLANES[0], 21)!.data[0], 20);
});

test('screen and voxel coordinates are inverse, the corner voxel half inside', () => {
  const grid: Grid = { shape: [64, 64, 64], voxelSize: 1 };
  const whole = sliceWindow(grid, PLANES[0], 300, 300, 1, [31.5, 31.5, 31.5]);
  assert.deepEqual(toScreen(whole, -0.5, -0.5), [0, 300]);
  const part = sliceWindow(grid, PLANES[2], 400, 300, 3.7, [10, 20, 30]);
  const [x, y] = toScreen(part, 12.25, 40);
  const [right, up] = fromScreen(part, x, y);
  assert.ok(Math.abs(right - 12.25) < 1e-9 && Math.abs(up - 40) < 1e-9);
});

test('a box that is no cube fits into its picture', () => {
  const window = sliceWindow({ shape: [100, 40, 60], voxelSize: 1 }, PLANES[0], 300, 300, 1, [49.5, 19.5, 29.5]);
  assert.deepEqual(toScreen(window, -0.5, 19.5)[0], 0);
  assert.ok(toScreen(window, 0, 39.5)[1] > 0);
});

test('Å are counted from voxel floor(N / 2)', () => {
  assert.equal(toAngstrom(32, 64, 4), 0);
  assert.equal(toAngstrom(33, 65, 2), 2);
  assert.equal(fromAngstrom(toAngstrom(7.5, 65, 1.3), 65, 1.3), 7.5);
});

test('whole voxels lie in the box', () => {
  assert.deepEqual(wholeVoxel([-3, 1.4, 99], { shape: [4, 5, 3], voxelSize: 1 }), [0, 1, 2]);
});

test('the outline of a step lies where the level is passed', () => {
  const plate = { data: Uint8Array.from([0, 0, 200, 200, 0, 0, 200, 200]), width: 4, height: 2 };
  const [u0, , u1] = outline(plate, 100);
  assert.deepEqual([u0, u1], [1.5, 1.5]);
});

test('the outline of a region is closed', () => {
  const size = 12;
  const data = new Uint8Array(size * size);
  for (let v = 0; v < size; v++) for (let u = 0; u < size; u++) data[v * size + u] = Math.hypot(u - 5.3, v - 6.1) < 4 || (u + v) % 5 === 0 ? 255 : 0;
  for (let i = 0; i < size; i++) data[i] = data[i * size] = data[i * size + size - 1] = data[(size - 1) * size + i] = 0;
  const ends = new Map<string, number>();
  const pieces = outline({ data, width: size, height: size }, 127.5);
  for (let i = 0; i < pieces.length; i += 2) {
    const end = `${pieces[i]},${pieces[i + 1]}`;
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  assert.ok(ends.size > 10);
  for (const count of ends.values()) assert.equal(count, 2);
});

test('chained pieces are the same pieces, in few lines, closed where the outline is', () => {
  const size = 16;
  const data = new Uint8Array(size * size);
  for (let v = 0; v < size; v++) for (let u = 0; u < size; u++) {
    data[v * size + u] = Math.max(0, 250 - 60 * Math.min(Math.hypot(u - 4.3, v - 5.1), Math.hypot(u - 11.2, v - 10.4), 99));
  }
  const pieces = outline({ data, width: size, height: size }, 100);
  const lines = chained(pieces);
  assert.equal(lines.length, 2);
  const edges = (points: number[], step: number) => {
    const found: string[] = [];
    for (let i = 0; i + 3 < points.length; i += step) {
      const ends = [points.slice(i, i + 2), points.slice(i + 2, i + 4)].map(end => end.map(value => value.toFixed(4)).join());
      found.push(ends.sort().join(' '));
    }
    return found;
  };
  assert.deepEqual(lines.flatMap(line => edges(line, 2)).sort(), edges(pieces, 4).sort());
  for (const line of lines) assert.deepEqual(line.slice(0, 2).map(value => value.toFixed(3)), line.slice(-2).map(value => value.toFixed(3)));
  // An open line, cut by the border, from its middle in both directions.
  const half = outline({ data: data.slice(0, size * 8), width: size, height: 8 }, 100);
  assert.deepEqual(chained(half).flatMap(line => edges(line, 2)).sort(), edges(half, 4).sort());
});

test('a slice of a turned volume is that of the volume turned by hand', () => {
  // A quarter turn about z through (2, 2): what was at (x, y) is seen at (4 - y, x).
  const size = 5;
  const data = Uint8Array.from({ length: size ** 3 }, (_, i) => (i * 7) % 251);
  const cube: Volume = { data, shape: [size, size, size], scale: 1, offset: [0, 0, 0] };
  const moved = movedSlice(cube, PLANES[0], 3, { turn: rotation([0, 0, 1], Math.PI / 2), about: [2, 2, 0] });
  for (let y = 1; y < size - 1; y++) for (let x = 1; x < size - 1; x++) {
    assert.ok(Math.abs(moved.data[x * size + (4 - y)] - data[x + size * (y + size * 3)]) <= 1, `${x} ${y}`);
  }
});

test('a scale bar is round and at most a quarter of what is shown', () => {
  assert.deepEqual([256, 192, 96, 400].map(scaleBarAngstrom), [50, 20, 20, 100]);
});

test('words', () => {
  const grid: Grid = { shape: [48, 48, 48], voxelSize: 4 };
  assert.equal(say(-0.04), '0.0');
  assert.equal(say(-1.26), '−1.3');
  assert.equal(sayPlace([26, 25, 20.5], grid), '(26.0, 25.0, 20.5) voxels = (8.0, 4.0, −14.0) Å from the centre');
  assert.equal(sayDensity(0.01234), '0.0123');
  assert.equal(sayDensity(-0.00001), '−1.00e−5');
  assert.equal(sayGrid(grid), '48³ voxels of 4 Å');
  assert.equal(sayGrid({ shape: [94, 104, 112], voxelSize: 0.65 }), '94 × 104 × 112 voxels of 0.65 Å');
  assert.deepEqual([1234.5, 56.78, 0.0123].map(sayMass), ['1235', '56.8', '0.0123']);
  assert.equal(sayFulcrum([0, 0, 10], 2, 10).short, 'fulcrum here');
  assert.equal(sayFulcrum([0, 0, 10], 2, 11).full, 'The fulcrum is at z = 10, 1 voxel back');
  assert.equal(sayFulcrum([0, 0, 10.5], 2, 7).short, 'fulcrum at 10.5');
});
