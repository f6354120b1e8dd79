import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Box, type Sphere, between, clearBox, joined, rounded, setBox, stamp } from '../src/brush';
import type { Vec3, Volume } from '../src/geometry';
import { regionColour } from '../src/palette';
import { type Stroke, Strokes } from '../src/stroke';

interface Case {
  spheres: Sphere[];
  least: number | null;
  touched: number[];
}

const { shape, cases } = JSON.parse(readFileSync('tests/widgets/brush_cases.json', 'utf8')) as { shape: Vec3; cases: Case[] };
const [nx, ny, nz] = shape;
const count = nx * ny * nz;

function density(): Uint8Array {
  const data = new Uint8Array(count);
  for (let z = 0, at = 0; z < nz; z++) for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++, at++) data[at] = (7 * x + 13 * y + 29 * z + x * y) % 256;
  return data;
}

const empty = (): Volume => ({ data: new Uint8Array(count), shape, scale: 1, offset: [0, 0, 0] });

test('a stroke touches the voxels of the case, the very ones that Python touches', () => {
  for (const { spheres, least, touched } of cases) {
    const mask = empty();
    const gate = least === null ? null : { data: density(), least };
    let box: Box | null = null;
    for (const sphere of spheres) box = joined(box, stamp(mask, sphere, 255, gate));
    const found = Array.from(mask.data.keys()).filter(at => mask.data[at] === 255);
    assert.deepEqual(found, touched, String(spheres));
    for (const at of found) {
      const place = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))];
      for (const axis of [0, 1, 2]) assert.ok(place[axis] >= box!.low[axis] && place[axis] < box!.high[axis]);
    }
  }
});

test('on a binned mask the places of its own voxels count', () => {
  const mask: Volume = { data: new Uint8Array(64), shape: [4, 4, 4], scale: 2, offset: [0.5, 0.5, 0.5] };
  stamp(mask, [2.5, 2.5, 2.5, 2], 255);
  const found = Array.from(mask.data.keys()).filter(at => mask.data[at]);
  // Its centre and the six neighbours, two voxels away.
  assert.deepEqual(found, [21, 5, 17, 20, 22, 25, 37].sort((a, b) => a - b));
});

test('spheres between two places leave no gap and end at the last', () => {
  const places = between([0, 0, 0], [10, 5, 2], 2);
  let last: Vec3 = [0, 0, 0];
  for (const place of places) {
    assert.ok(Math.hypot(...place.map((value, axis) => value - last[axis])) <= 0.52);
    assert.deepEqual(place, rounded(place));
    last = place;
  }
  assert.deepEqual(last, [10, 5, 2]);
  assert.deepEqual(between([1, 1, 1], [1, 1, 1], 2), []);
});

function bench() {
  const mask = empty();
  const sent: Stroke[] = [];
  let changes = 0;
  const strokes = new Strokes({ mask: () => mask, gate: () => null, changed: () => changes++, send: stroke => sent.push(stroke) });
  return { mask, sent, strokes, changes: () => changes };
}

test('a stroke is seen at once and sent when it ends; the same spheres make the same voxels', () => {
  const { mask, sent, strokes, changes } = bench();
  assert.ok(strokes.begin([4, 4, 4], 2, false, null));
  strokes.extend([8, 5, 4], 2);
  assert.ok(changes() >= 2);
  assert.equal(sent.length, 0);
  strokes.end();
  assert.equal(sent.length, 1);
  const again = empty();
  for (const sphere of sent[0].spheres) stamp(again, sphere, 255);
  assert.deepEqual(mask.data, again.data);
});

test('a stroke that is broken off leaves the mask as it was', () => {
  const { mask, sent, strokes } = bench();
  strokes.begin([4, 4, 4], 2, false, null);
  strokes.end();
  const before = mask.data.slice();
  strokes.begin([8, 5, 4], 3, true, null);
  strokes.extend([4, 4, 4], 3);
  assert.notDeepEqual(mask.data, before);
  strokes.cancel();
  assert.deepEqual(mask.data, before);
  strokes.end();
  assert.equal(sent.length, 1);
});

test('strokes that the kernel has not answered are painted again over what it sends', () => {
  const { mask, sent, strokes } = bench();
  strokes.begin([4, 4, 4], 2, false, null);
  strokes.end();
  strokes.begin([9, 6, 4], 2, false, null);
  strokes.end();
  const both = mask.data.slice();
  // The kernel knows the first stroke only, and sends the whole.
  mask.data.fill(0);
  for (const sphere of sent[0].spheres) stamp(mask, sphere, 255);
  strokes.answered(sent[0].stroke);
  assert.deepEqual(mask.data, both);
  assert.equal(strokes.pending.length, 1);
  strokes.answered(sent[1].stroke);
  assert.equal(strokes.pending.length, 0);
});

test('a very long stroke is sent in parts, each well under 1 MB', () => {
  const { sent, strokes } = bench();
  strokes.begin([0, 0, 0], 1, false, null);
  for (let i = 0; i < 900; i++) strokes.extend(i % 2 ? [0, 0, 0] : [10, 0, 0], 1);
  strokes.end();
  assert.ok(sent.length > 1);
  for (const stroke of sent) assert.ok(JSON.stringify(stroke).length < 300_000);
  assert.deepEqual(sent.map(stroke => stroke.stroke), sent.map((_, i) => i + 1));
});

test('neighbouring regions have colours that differ', () => {
  for (let rank = 1; rank < 60; rank++) {
    const [a, b] = [regionColour(rank), regionColour(rank + 1)];
    for (const part of a) assert.ok(part >= 0 && part <= 255);
    assert.ok(Math.hypot(...a.map((value, i) => value - b[i])) > 60, String(rank));
  }
});

test('a box of a volume is set from bytes, and cleared again', () => {
  const volume = empty();
  const [low, size]: [Vec3, Vec3] = [[1, 2, 3], [2, 3, 2]];
  const part = Uint8Array.from({ length: 12 }, (_, at) => at + 1);
  setBox(volume, low, size, part);
  const at = (x: number, y: number, z: number) => volume.data[x + nx * (y + ny * z)];
  assert.equal(at(1, 2, 3), 1);
  assert.equal(at(2, 4, 4), 12);
  assert.equal(volume.data.reduce((sum, value) => sum + value, 0), (12 * 13) / 2);
  clearBox(volume, { low, high: [2, 5, 5] });
  assert.deepEqual([at(1, 2, 3), at(2, 4, 4)], [0, 12]);
  clearBox(volume, { low, high: [3, 5, 5] });
  assert.ok(volume.data.every(value => value === 0));
});
