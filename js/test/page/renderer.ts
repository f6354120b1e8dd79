/** Checks of the renderer in a real WebGL2 context; `tests/browser/test_renderer.py` runs them in a page. */
import { Camera } from '../../src/camera';
import type { Grid, Vec3 } from '../../src/geometry';
import { Mesher, type Made } from '../../src/mesher';
import { Renderer, type RGB, type Surface, placed } from '../../src/renderer';
import { ball, boxEdges } from '../../src/shapes';
import { blockRanges, surfaceNets } from '../../src/surface_nets';
import { transpose } from '../../src/vectors';

const SIZE = 200;
const GRID: Grid = { shape: [40, 40, 40], voxelSize: 1 };
const PAPER: RGB = [1, 1, 1];

function canvas(): HTMLCanvasElement {
  const made = document.createElement('canvas');
  Object.assign(made, { width: SIZE, height: SIZE });
  document.body.append(made);
  return made;
}

function draw(renderer: Renderer, camera: Camera, surfaces: Surface[], isSmooth = false): Uint8ClampedArray {
  const look = { clip: camera.matrix(SIZE, SIZE), turn: Float32Array.from(transpose(camera.rotation)), paper: PAPER };
  renderer.draw(look, surfaces, [], isSmooth);
  const flat = document.createElement('canvas');
  Object.assign(flat, { width: SIZE, height: SIZE });
  const context = flat.getContext('2d')!;
  context.drawImage(renderer.canvas, 0, 0);
  return context.getImageData(0, 0, SIZE, SIZE).data;
}

function at(pixels: Uint8ClampedArray, x: number, y: number): number[] {
  const from = 4 * (Math.round(x) + SIZE * Math.round(y));
  return Array.from(pixels.subarray(from, from + 4));
}

const isPaper = (pixel: number[]) => pixel.every(value => value === 255);

function check(condition: boolean, words: string): void {
  if (!condition) throw new Error(words);
}

/** A ball is drawn where the camera says, as wide as it is, nearer ones before farther ones. */
function places(): void {
  const renderer = new Renderer(canvas());
  const camera = new Camera(GRID);
  camera.turn(0.4, -0.3);
  const mesh = renderer.upload(ball());
  const [here, radius]: [Vec3, number] = [[28, 14, 22], 5];
  const blue: Surface = { mesh, place: placed(radius, here), colour: [0.1, 0.2, 0.9], opacity: 1 };
  const pixels = draw(renderer, camera, [blue]);
  const [x, y] = camera.project(here, SIZE, SIZE);
  const middle = at(pixels, x, y);
  check(middle[2] > 1.5 * middle[0], `the ball is not where it should be: ${middle}`);
  const reach = radius / camera.voxelsPerPixel(SIZE, SIZE);
  for (let k = 0; k < 16; k++) {
    const [c, s] = [Math.cos((k * Math.PI) / 8), Math.sin((k * Math.PI) / 8)];
    check(!isPaper(at(pixels, x + (reach - 2) * c, y + (reach - 2) * s)), 'the ball is too small');
    check(isPaper(at(pixels, x + (reach + 2) * c, y + (reach + 2) * s)), 'the ball is too large');
  }
  const nearer = here.map((value, axis) => value - 10 * camera.ray(x, y, SIZE, SIZE).direction[axis]) as Vec3;
  const red: Surface = { mesh, place: placed(2, nearer), colour: [0.9, 0.1, 0.1], opacity: 1 };
  for (const order of [[red, blue], [blue, red]]) {
    const seen = at(draw(renderer, camera, order), x, y);
    check(seen[0] > 1.5 * seen[2], `the nearer ball is hidden: ${seen}`);
  }
  renderer.free(mesh);
  renderer.dispose();
}

/** What is transparent lets through what is behind, and of itself only what is nearest. */
function transparency(): void {
  const renderer = new Renderer(canvas());
  const camera = new Camera(GRID);
  const mesh = renderer.upload(ball());
  const inner: Surface = { mesh, place: placed(4, camera.centre), colour: [0.9, 0.1, 0.1], opacity: 1 };
  const outer: Surface = { mesh, place: placed(12, camera.centre), colour: [0.1, 0.2, 0.9], opacity: 0.3 };
  const alone = at(draw(renderer, camera, [inner]), SIZE / 2, SIZE / 2);
  const mixed = at(draw(renderer, camera, [inner, outer]), SIZE / 2, SIZE / 2);
  check(mixed[0] > mixed[2] && mixed[2] > alone[2] + 10, `the inner ball should shine through: ${alone} ${mixed}`);
  const veil = at(draw(renderer, camera, [outer]), SIZE / 2, SIZE / 2);
  // Two layers of 30 % would leave 49 % of the paper, one leaves 70 %.
  check(veil[0] > 0.66 * 255, `the far side shows too: ${veil}`);
  // One that is clear itself is seen in the other, whichever is drawn first.
  const red: Surface = { ...inner, opacity: 0.6 };
  for (const order of [[red, outer], [outer, red]]) {
    const both = at(draw(renderer, camera, order), SIZE / 2, SIZE / 2);
    check(both[0] > both[1] + 40 && both[1] < veil[1] - 20, `the clear inner ball is hidden: ${veil} ${both}`);
  }
  // What is opaque hides them all, the second one too.
  const wall: Surface = { mesh, place: placed(5, camera.centre), colour: [0.1, 0.8, 0.1], opacity: 1 };
  const behind = at(draw(renderer, camera, [wall, { ...outer, opacity: 0.01 }, red]), SIZE / 2, SIZE / 2);
  check(behind[1] > 2 * behind[0], `an opaque ball does not hide a clear one in it: ${behind}`);
  check(at(draw(renderer, camera, [{ ...outer, opacity: 0 }]), SIZE / 2, SIZE / 2).every(value => value === 255), 'what is clear is drawn');
  renderer.dispose();
}

/** Smooth edges are in between, and the inside of a ball is the same either way. */
function smoothness(): void {
  const renderer = new Renderer(canvas());
  const camera = new Camera(GRID);
  const mesh = renderer.upload(ball());
  const surface: Surface = { mesh, place: placed(10, camera.centre), colour: [0, 0, 0], opacity: 1 };
  const [rough, smooth] = [false, true].map(isSmooth => draw(renderer, camera, [surface], isSmooth));
  const inner = (pixels: Uint8ClampedArray) => at(pixels, SIZE / 2, SIZE / 2);
  check(inner(rough).every((value, i) => Math.abs(value - inner(smooth)[i]) <= 2), 'smoothing changed the inside');
  let between = 0;
  for (let i = 0; i < rough.length; i += 4) if (Math.abs(rough[i] - smooth[i]) > 20) between++;
  check(between > 50 && between < 1500, `${between} pixels differ`);
  renderer.dispose();
}

/** Lines of the box end where the box does. */
function lines(): void {
  const renderer = new Renderer(canvas());
  const camera = new Camera(GRID);
  const look = { clip: camera.matrix(SIZE, SIZE), turn: Float32Array.from(transpose(camera.rotation)), paper: PAPER };
  renderer.draw(look, [], [{ points: boxEdges(GRID), colour: [0, 0, 0], opacity: 1 }], true);
  const flat = document.createElement('canvas');
  Object.assign(flat, { width: SIZE, height: SIZE });
  const context = flat.getContext('2d')!;
  context.drawImage(renderer.canvas, 0, 0);
  const pixels = context.getImageData(0, 0, SIZE, SIZE).data;
  let [left, right] = [SIZE, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i] > 200) continue;
    const x = (i / 4) % SIZE;
    [left, right] = [Math.min(left, x), Math.max(right, x)];
  }
  const corners: number[] = [];
  for (const x of [-0.5, 39.5]) for (const y of [-0.5, 39.5]) for (const z of [-0.5, 39.5]) corners.push(camera.project([x, y, z], SIZE, SIZE)[0]);
  const inPicture = corners.map(x => Math.min(Math.max(x, 0), SIZE - 1));
  check(Math.abs(left - Math.min(...inPicture)) < 2 && Math.abs(right - Math.max(...inPicture)) < 2, `the box reaches from ${left} to ${right}, not ${inPicture}`);
  renderer.dispose();
}

/** The worker, of the minified program, makes the same surface as the page. */
async function worker(): Promise<void> {
  const shape: Vec3 = [24, 24, 24];
  const data = Uint8Array.from({ length: 24 ** 3 }, (_, i) => {
    const [x, y, z] = [i % 24, Math.floor(i / 24) % 24, Math.floor(i / 576)];
    return Math.max(0, Math.min(255, 128 + 20 * (8 - Math.hypot(x - 12, y - 11, z - 12.5))));
  });
  const mesher = new Mesher();
  const words: string[] = [];
  mesher.onFailure = text => words.push(text);
  mesher.setVolume('a', data, shape);
  const made = await new Promise<Made>((resolve, reject) => {
    setTimeout(() => reject(new Error(`no surface came: ${words}`)), 20_000);
    mesher.make('a', 128, false, resolve);
  });
  check((mesher as unknown as { worker: Worker | null }).worker !== null, 'there is no worker');
  const here = surfaceNets(data, shape, blockRanges(data, shape), 128);
  check(String(made.mesh.indices) === String(here.indices) && String(made.mesh.positions) === String(here.positions), 'another surface');
  mesher.dispose();
}

/** A context is given back when the renderer is disposed of. */
function contexts(): void {
  for (let i = 0; i < 40; i++) {
    const renderer = new Renderer(canvas());
    check(!renderer.canvas.getContext('webgl2')!.isContextLost(), `context ${i} is lost at once`);
    renderer.dispose();
    check(renderer.canvas.getContext('webgl2')!.isContextLost(), 'the context is kept');
    renderer.canvas.remove();
  }
}

Object.assign(window, { checks: { places, transparency, smoothness, lines, worker, contexts } });
