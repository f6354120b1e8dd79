import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Vec3 } from '../src/geometry';
import { type AxisName, type Region, axisOf, chord, farthest, saySwing, turned } from '../src/swing';
import { add, apply, dot, length, rotation, subtract } from '../src/vectors';

const region: Region = { centre: [20, 10, 5], corners: Float32Array.from([18, 8, 4, 30, 10, 5, 20, 14, 9, 19, 9, 0]) };

test('the far end is the corner farthest from the fulcrum', () => {
  assert.deepEqual(farthest(region, [10, 10, 5]), { point: [30, 10, 5], distance: 20 });
  assert.deepEqual(farthest(region, [40, 10, 5]).point, [18, 8, 4]);
});

test('a chord is the straight way, no longer than the diameter', () => {
  assert.ok(Math.abs(chord(10, Math.PI / 3) - 10) < 1e-12);
  assert.equal(chord(10, 9), 20);
  assert.equal(chord(10, -0.5), chord(10, 0.5));
});

test('swings are across the lever, the twist along it, all of unit length', () => {
  const fulcrum: Vec3 = [10, 12, 2];
  const lever = subtract(region.centre, fulcrum);
  const axes = Object.fromEntries((['swing', 'cross', 'twist', 'x', 'y', 'z'] as AxisName[]).map(name => [name, axisOf(name, region, fulcrum)]));
  for (const axis of Object.values(axes)) assert.ok(Math.abs(length(axis) - 1) < 1e-12);
  for (const [a, b] of [[axes.swing, lever], [axes.cross, lever], [axes.swing, axes.cross]]) assert.ok(Math.abs(dot(a, b)) < 1e-12);
  assert.ok(dot(axes.twist, lever) > length(lever) - 1e-12);
  assert.deepEqual(axes.y, [0, 1, 0]);
  for (const name of ['swing', 'cross', 'twist'] as AxisName[]) assert.ok(Math.abs(length(axisOf(name, region, region.centre)) - 1) < 1e-12, 'also about the centre itself');
});

test('a swing moves the centre by the chord, and a point turns as the matrix says', () => {
  const fulcrum: Vec3 = [4, 9, 7];
  const axis = axisOf('cross', region, fulcrum);
  const moved = turned(region.centre, fulcrum, axis, 0.4);
  assert.ok(Math.abs(length(subtract(moved, region.centre)) - chord(length(subtract(region.centre, fulcrum)), 0.4)) < 1e-9);
  const byMatrix = add(fulcrum, apply(rotation(axis, 0.4), subtract(region.centre, fulcrum)));
  for (let i = 0; i < 3; i++) assert.ok(Math.abs(moved[i] - byMatrix[i]) < 1e-9);
});

test('what the extents mean, in words', () => {
  const [swing, shift] = saySwing(region, [10, 10, 5], 0.35, 10, { shape: [40, 40, 40], voxelSize: 1.3 });
  assert.equal(swing.replaceAll('\u00a0', ' '), '20° here moves the far end, 26 Å away, by 9.1 Å and the region’s centre, 13 Å away, by 4.5 Å.');
  assert.equal(shift.replaceAll('\u00a0', ' '), 'Shift extent 10 px = 13 Å across, 6.5 Å to every side.');
});
