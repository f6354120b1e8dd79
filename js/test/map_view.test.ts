import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLANES, type Volume, binnedToVoxel, extractSlice, scaleBarAngstrom, screenToVoxel, toAngstrom, voxelToScreen } from '../src/geometry';
import { outline } from '../src/outline';
import { say, sayDensity, sayDistance, sayPlace } from '../src/words';

/** Each voxel holds its own x + 4 y + 16 z. */
const cube: Volume = { data: Uint8Array.from({ length: 64 }, (_, i) => i), shape: [4, 4, 4], binning: 1 };

test('slices take the axes that they name', () => {
  const [xy, xz, yz] = PLANES.map(plane => extractSlice(cube, plane, 2));
  const at = (slice: typeof xy, right: number, up: number) => slice.data[up * slice.width + right];
  assert.equal(at(xy, 1, 3), 1 + 4 * 3 + 16 * 2);
  assert.equal(at(xz, 1, 3), 1 + 4 * 2 + 16 * 3);
  assert.equal(at(yz, 1, 3), 2 + 4 * 1 + 16 * 3);
});

test('a binned volume shows the block that a voxel lies in', () => {
  const binned = { ...cube, binning: 3 };
  assert.deepEqual(extractSlice(binned, PLANES[0], 5).data, extractSlice(cube, PLANES[0], 1).data);
  assert.equal(extractSlice(binned, PLANES[0], 99).data[0], 48);
  assert.equal(binnedToVoxel(1, 3), 4);
});

test('screen and voxel coordinates are inverse, the corner voxel half inside', () => {
  for (const voxel of [0, 7.25, 63]) assert.ok(Math.abs(screenToVoxel(voxelToScreen(voxel, 64, 300), 64, 300) - voxel) < 1e-9);
  assert.equal(voxelToScreen(-0.5, 64, 300), 0);
});

test('Å are counted from voxel floor(N / 2)', () => {
  assert.equal(toAngstrom(32, 64, 4), 0);
  assert.equal(toAngstrom(33, 65, 2), 2);
});

test('the outline of a step lies where the level is passed', () => {
  const slice = { data: Uint8Array.from([0, 0, 200, 200, 0, 0, 200, 200]), width: 4, height: 2 };
  const segments = outline(slice, 100);
  assert.equal(segments.length, 1);
  const [u0, , u1] = segments[0];
  assert.deepEqual([u0, u1], [1.5, 1.5]);
});

test('the outline of a region is closed', () => {
  const size = 12;
  const data = new Uint8Array(size * size);
  for (let v = 0; v < size; v++) for (let u = 0; u < size; u++) data[v * size + u] = Math.hypot(u - 5.3, v - 6.1) < 4 || (u + v) % 5 === 0 ? 255 : 0;
  for (let i = 0; i < size; i++) data[i] = data[i * size] = data[i * size + size - 1] = data[(size - 1) * size + i] = 0;
  const ends = new Map<string, number>();
  for (const [u0, v0, u1, v1] of outline({ data, width: size, height: size }, 127.5))
    for (const end of [`${u0},${v0}`, `${u1},${v1}`]) ends.set(end, (ends.get(end) ?? 0) + 1);
  assert.ok(ends.size > 10);
  for (const count of ends.values()) assert.equal(count, 2);
});

test('a scale bar is round and at most a quarter of the box', () => {
  assert.deepEqual([256, 192, 96, 400].map(scaleBarAngstrom), [50, 20, 20, 100]);
});

test('words', () => {
  assert.equal(say(-0.04), '0.0');
  assert.equal(say(-1.26), '−1.3');
  assert.equal(sayPlace([26, 25, 20.5], 48, 4), '(26.0, 25.0, 20.5) voxels = (8.0, 4.0, −14.0) Å from the centre');
  assert.equal(sayDensity(0.01234, 0.5), 'density 0.0123, mask 0.50');
  assert.equal(sayDensity(-0.00001), 'density −1.00e−5');
  assert.equal(sayDistance([0, 0, 10], 2, 10), 'fulcrum in this slice');
  assert.equal(sayDistance([0, 0, 10], 2, 11), 'fulcrum 1 voxel back');
  assert.equal(sayDistance([0, 0, 10], 2, 7), 'fulcrum 3 voxels further on');
});
