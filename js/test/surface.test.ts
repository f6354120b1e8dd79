import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Camera } from '../src/camera';
import type { Grid, Vec3, Volume } from '../src/geometry';
import { countBytes, massKda, voxelsAbove } from '../src/histogram';
import { Layer } from '../src/layers';
import { Mesher, workerProgram } from '../src/mesher';
import { firstHit, valueAt } from '../src/ray';
import { ball, boxEdges } from '../src/shapes';
import { SurfaceMeshes } from '../src/surface_meshes';
import { type Mesh, blockRanges, halved, surfaceNets } from '../src/surface_nets';
import { apply, dot, multiply, orthonormal, rotation, transpose } from '../src/vectors';

/** Numbers 0 to 1, the same at every run. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

function ballVolume(shape: Vec3, centre: Vec3, radius: number): Uint8Array {
  const [nx, ny, nz] = shape;
  const data = new Uint8Array(nx * ny * nz);
  for (let z = 0, i = 0; z < nz; z++) for (let y = 0; y < ny; y++) for (let x = 0; x < nx; x++, i++) {
    data[i] = Math.round(Math.min(Math.max(128 + 20 * (radius - Math.hypot(x - centre[0], y - centre[1], z - centre[2])), 0), 255));
  }
  return data;
}

function netsOf(data: Uint8Array, shape: Vec3, level: number): Mesh {
  return surfaceNets(data, shape, blockRanges(data, shape), level);
}

/** How many triangles meet at each edge, each direction apart. */
function edges(mesh: Mesh): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < mesh.indices.length; i += 3) {
    for (let k = 0; k < 3; k++) {
      const edge = `${mesh.indices[i + k]}>${mesh.indices[i + ((k + 1) % 3)]}`;
      found.set(edge, (found.get(edge) ?? 0) + 1);
    }
  }
  return found;
}

test('the surface of a ball is closed, lies on the ball and looks outward', () => {
  const [shape, centre, radius]: [Vec3, Vec3, number] = [[30, 26, 34], [14.3, 12.8, 17.1], 9.4];
  const mesh = netsOf(ballVolume(shape, centre, radius), shape, 128);
  const [vertices, triangles] = [mesh.positions.length / 3, mesh.indices.length / 3];
  const half = edges(mesh);
  assert.ok([...half.values()].every(count => count === 1));
  assert.ok([...half.keys()].every(edge => half.has(edge.split('>').reverse().join('>'))), 'each edge once in each direction');
  assert.equal(vertices - half.size / 2 + triangles, 2, 'Euler characteristic of a sphere');
  for (let i = 0; i < mesh.positions.length; i += 3) {
    const from: Vec3 = [mesh.positions[i] - centre[0], mesh.positions[i + 1] - centre[1], mesh.positions[i + 2] - centre[2]];
    const distance = Math.hypot(...from);
    assert.ok(Math.abs(distance - radius) < 0.12, `${distance}`);
    const outward = dot(from, [mesh.normals[i], mesh.normals[i + 1], mesh.normals[i + 2]]) / distance;
    assert.ok(outward > 0.9, `${outward}`);
  }
});

test('blocks that are passed over hold no surface', () => {
  const next = random(3);
  for (const shape of [[17, 9, 25], [8, 8, 8], [10, 33, 9], [2, 2, 2]] as Vec3[]) {
    const data = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, () => (next() < 0.02 ? 255 * next() : 20 * next()));
    const everywhere = { low: new Uint8Array(4000), high: new Uint8Array(4000).fill(255) };
    for (const level of [10.5, 60, 200]) {
      const [quick, slow] = [netsOf(data, shape, level), surfaceNets(data, shape, everywhere, level)];
      assert.deepEqual(quick.positions, slow.positions);
      assert.deepEqual(quick.indices, slow.indices);
    }
  }
});

test('every edge between voxels above and below gives one quad', () => {
  const next = random(8);
  const shape: Vec3 = [9, 7, 8];
  const data = Uint8Array.from({ length: 9 * 7 * 8 }, () => 255 * next());
  const level = 127.5;
  let expected = 0;
  for (let z = 0; z < 8; z++) for (let y = 0; y < 7; y++) for (let x = 0; x < 9; x++) {
    const at = (i: number, j: number, k: number) => data[i + 9 * (j + 7 * k)] > level;
    const inner = (value: number, size: number) => value > 0 && value < size - 1;
    if (x + 1 < 9 && inner(y, 7) && inner(z, 8) && at(x, y, z) !== at(x + 1, y, z)) expected++;
    if (y + 1 < 7 && inner(x, 9) && inner(z, 8) && at(x, y, z) !== at(x, y + 1, z)) expected++;
    if (z + 1 < 8 && inner(x, 9) && inner(y, 7) && at(x, y, z) !== at(x, y, z + 1)) expected++;
  }
  assert.equal(netsOf(data, shape, level).indices.length, 6 * expected);
});

test('a halved volume is the mean of blocks of eight', () => {
  const next = random(5);
  const data = Uint8Array.from({ length: 5 * 4 * 7 }, () => 255 * next());
  const { data: half, shape } = halved(data, [5, 4, 7]);
  assert.deepEqual(shape, [2, 2, 3]);
  for (let z = 0; z < 3; z++) for (let y = 0; y < 2; y++) for (let x = 0; x < 2; x++) {
    let sum = 0;
    for (let k = 0; k < 8; k++) sum += data[2 * x + (k & 1) + 5 * (2 * y + ((k >> 1) & 1) + 4 * (2 * z + (k >> 2)))];
    assert.ok(Math.abs(half[x + 2 * (y + 2 * z)] - sum / 8) <= 0.5);
  }
});

test("the worker's program stands by itself", async () => {
  const sent: Array<{ id: string; ticket: number; mesh: Mesh }> = [];
  const scope: { onmessage?: (event: { data: unknown }) => void } = {};
  new Function('scope', 'postMessage', 'performance', `var onmessage; ${workerProgram()}; scope.onmessage = onmessage;`)(scope, (answer: never) => sent.push(answer), performance);
  const shape: Vec3 = [20, 20, 20];
  const data = ballVolume(shape, [10, 10, 10], 6);
  const post = (message: object) => scope.onmessage!({ data: message });
  post({ kind: 'volume', id: 'a', data: data.slice(), shape });
  post({ kind: 'mesh', id: 'a', level: 128, coarse: false, ticket: 1 });
  post({ kind: 'mesh', id: 'a', level: 128, coarse: true, ticket: 2 });
  post({ kind: 'region', id: 'a', data: new Uint8Array(20 * 20 * 10), low: [0, 0, 0], size: [20, 20, 10] });
  post({ kind: 'mesh', id: 'a', level: 128, coarse: false, ticket: 3 });
  post({ kind: 'drop', id: 'a' });
  post({ kind: 'mesh', id: 'a', level: 128, coarse: false, ticket: 4 });
  assert.deepEqual(sent.map(answer => answer.ticket), [1, 2, 3, 4]);
  assert.deepEqual(sent[0].mesh.positions, netsOf(data, shape, 128).positions);
  assert.ok(sent[1].mesh.indices.length < sent[0].mesh.indices.length);
  assert.ok(Math.min(...sent[2].mesh.positions.filter((_, i) => i % 3 === 2)) > 8.9, 'only the upper half is left');
  assert.equal(sent[3].mesh.indices.length, 0);
});

test('of many wishes the first and the last are made, coarse before fine', async () => {
  const mesher = new Mesher(); // Node has no Worker: it works here
  const shape: Vec3 = [20, 20, 20];
  mesher.setVolume('a', ballVolume(shape, [10, 10, 10], 6), shape);
  const made: string[] = [];
  await new Promise<void>(resolve => {
    for (const level of [100, 110, 120, 130]) {
      mesher.make('a', level, false, ({ level: at }) => {
        made.push(`fine ${at}`);
        if (at === 130) resolve();
      });
      mesher.make('a', level, true, ({ level: at }) => made.push(`coarse ${at}`));
    }
  });
  assert.deepEqual(made, ['fine 100', 'coarse 130', 'fine 130']);
  mesher.dispose();
});

test('no surface is shown in voxels of another size than its own', async () => {
  let told: () => void = () => {};
  const freed: number[] = [];
  let uploads = 0;
  const renderer = { upload: () => ({ id: ++uploads }), free: (mesh: { id: number }) => freed.push(mesh.id) };
  const meshes = new SurfaceMeshes({ renderer: () => renderer as never, later: () => {}, made: () => told(), failed: words => assert.fail(words) });
  const layer = new Layer({ id: 'a', name: 'a', kind: 'map', colour: '', opacity: 1, visible: true, level: 128 });
  const give = (size: number, scale: number) => {
    const middle = size / 2;
    layer.volume = {
      data: ballVolume([size, size, size], [middle, middle, middle], size / 3), shape: [size, size, size], scale, offset: [0, 0, 0],
      low: 0, high: 255, grey: [0, 255], mean: 0, deviation: 1,
    };
    layer.version++;
    meshes.setVolume(layer);
  };
  const settled = () => new Promise<void>(resolve => {
    told = () => meshes.isFine(layer) && resolve();
    meshes.best(layer, false, false);
  });
  give(24, 1);
  await settled();
  give(24, 1);
  assert.equal((meshes.best(layer, true, false)?.mesh as { id: number }).id, 1, 'until a new one is there the old one stays');
  await settled();
  // Means over blocks, while a slider moves.
  give(12, 2);
  assert.equal(meshes.best(layer, true, false), null);
  await settled();
  assert.equal(meshes.best(layer, true, false)?.binning, 1);
  assert.equal(freed.length, uploads - 1);
  meshes.dispose();
});

test('a line of sight meets the surface where small steps along it do', () => {
  const shape: Vec3 = [20, 24, 18];
  const volume: Volume = { data: ballVolume(shape, [9, 12.5, 8], 5.5), shape, scale: 2, offset: [3, -1, 0.5] };
  const next = random(11);
  let hits = 0;
  for (let trial = 0; trial < 200; trial++) {
    const target: Vec3 = [21 + 22 * (next() - 0.5), 24 + 22 * (next() - 0.5), 16.5 + 22 * (next() - 0.5)];
    const direction = apply(rotation([next() - 0.5, next() - 0.5, next() - 0.5], 6 * next()), [0, 0, 1]);
    const origin = target.map((value, axis) => value - 80 * direction[axis]) as Vec3;
    const hit = firstHit(volume, 128, { origin, direction });
    let first = Infinity;
    for (let t = 0; t < 160 && first === Infinity; t += 0.01) {
      const at = origin.map((value, axis) => (value + t * direction[axis] - volume.offset[axis]) / 2);
      if (valueAt(volume, at[0], at[1], at[2]) > 128) first = t;
    }
    // A line that only grazes the ball is in it for less than a step.
    const grazing = first < Infinity && !hit;
    if (grazing) continue;
    assert.equal(hit === null, first === Infinity);
    if (hit) {
      hits++;
      assert.ok(Math.abs(hit.distance - first) < 0.02, `${hit.distance} ${first}`);
    }
  }
  assert.ok(hits > 60);
});

test('trilinear values are those of the corners at whole voxels, and of none beyond', () => {
  const volume: Volume = { data: Uint8Array.from({ length: 27 }, (_, i) => 9 * i), shape: [3, 3, 3], scale: 1, offset: [0, 0, 0] };
  assert.equal(valueAt(volume, 2, 1, 2), 9 * (2 + 3 + 18));
  assert.ok(Math.abs(valueAt(volume, 0.25, 1.5, 0.75) - 9 * (0.25 + 3 * 1.5 + 9 * 0.75)) < 1e-9);
  assert.equal(valueAt(volume, 2.01, 1, 1), -1);
});

test('a ray through a pixel projects back onto it, however the view is turned', () => {
  const grid: Grid = { shape: [40, 60, 50], voxelSize: 2 };
  const camera = new Camera(grid);
  camera.turn(0.7, -1.1);
  camera.zoom = 2.3;
  camera.pan = [4, -7];
  const { origin, direction } = camera.ray(123, 45, 400, 300);
  for (const t of [0, 30, 90]) {
    const [x, y] = camera.project(origin.map((value, axis) => value + t * direction[axis]), 400, 300);
    assert.ok(Math.abs(x - 123) < 1e-6 && Math.abs(y - 45) < 1e-6);
  }
  const matrix = camera.matrix(400, 300);
  const point: Vec3 = [7, 50, 21];
  const clip = [0, 1, 2].map(row => matrix[row] * point[0] + matrix[4 + row] * point[1] + matrix[8 + row] * point[2] + matrix[12 + row]);
  const [x, y] = camera.project(point, 400, 300);
  assert.ok(Math.abs((clip[0] + 1) * 200 - x) < 1e-3 && Math.abs((1 - clip[1]) * 150 - y) < 1e-3);
  assert.ok(Math.abs(clip[2]) < 1);
});

test('rotations keep lengths and hands, and compose', () => {
  const turn = multiply(rotation([1, 2, -1], 0.8), rotation([0, 1, 0], -2));
  const back = multiply(turn, transpose(turn));
  back.forEach((value, i) => assert.ok(Math.abs(value - (i % 4 === 0 ? 1 : 0)) < 1e-12));
  assert.deepEqual(apply(rotation([0, 0, 1], Math.PI / 2), [1, 0, 0]).map(Math.round), [0, 1, 0]);
  const drifted = turn.map(value => value * 1.01 + 1e-3) as typeof turn;
  const mended = orthonormal(drifted);
  assert.ok(Math.abs(dot([mended[0], mended[1], mended[2]], [mended[3], mended[4], mended[5]])) < 1e-12);
});

test('counts above a level go evenly through a byte, and become a mass', () => {
  const data = Uint8Array.from([0, 10, 10, 10, 20, 255]);
  const counts = countBytes(data);
  assert.equal(counts[10], 3);
  assert.equal(voxelsAbove(counts, 9.5), 5);
  assert.equal(voxelsAbove(counts, 10), 3.5);
  assert.equal(voxelsAbove(counts, 300), 0);
  const shown = { scale: 2 } as Parameters<typeof massKda>[1];
  assert.ok(Math.abs(massKda(1000, shown, 1.5) - (1000 * 27 * 0.81) / 1000) < 1e-9);
});

test('the ball is round and closed, the box has twelve edges', () => {
  const mesh = ball(3);
  for (let i = 0; i < mesh.positions.length; i += 3) assert.ok(Math.abs(Math.hypot(mesh.positions[i], mesh.positions[i + 1], mesh.positions[i + 2]) - 1) < 1e-6);
  assert.equal(mesh.indices.length / 3, 8 * 64);
  assert.equal(boxEdges({ shape: [3, 4, 5], voxelSize: 1 }).length, 12 * 2 * 3);
});
