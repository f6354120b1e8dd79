/** The surfaces of all layers in one picture that turns under the hand. */
import { Camera, type Ray } from './camera';
import type { Vec3 } from './geometry';
import { write } from './label';
import type { Layer } from './layers';
import type { Made } from './mesher';
import { paintFulcrum, paintScaleBar } from './paint';
import { Picture } from './picture';
import { firstHit } from './ray';
import { type GpuMesh, Renderer, type Surface, placed } from './renderer';
import { ball, boxEdges, crossHair } from './shapes';
import type { Stage, Wishes } from './stage';
import { SurfaceMeshes, movedRay, placeOf } from './surface_meshes';
import { rgb } from './theme';
import type { PointerAt } from './tools';
import { apply, transpose } from './vectors';

const TURN_PER_PIXEL = 0.008;
const KEY_TURN = Math.PI / 18;
const ZOOM_STEP = 1.25;
const CLICK_PIXELS = 4;
/** A picture slower than this is drawn with the coarse surface while it moves. */
const SLOW_MS = 50;
const REST_MS = 160;
const LONGEST_REST_MS = 1500;

export class SurfacePanel extends Picture {
  protected readonly view = '3d';
  readonly camera: Camera;
  private canvas!: HTMLCanvasElement;
  private readonly labels = document.createElement('canvas');
  private readonly lost = document.createElement('button');
  private renderer: Renderer | null = null;
  private readonly meshes: SurfaceMeshes;
  private sphere: GpuMesh | null = null;
  private readonly edges: Float32Array;
  private readonly title = document.createElement('b');
  private readonly note = document.createElement('span');
  private button = 0;
  private moved = 0;
  private restTimer = 0;
  private moving = false;
  private unusable = '';
  /** What the picture on screen shows. */
  private drawn = { content: '', cursor: '', labels: '' };
  /** Milliseconds of the last fine picture, the graphics card's work included. */
  frameMs = 0;
  /** Called after a new surface is on screen. */
  onSurface: (id: string, made: Made) => void = () => {};

  constructor(stage: Stage, wishes: Wishes) {
    super(stage, wishes);
    this.camera = new Camera(stage.grid);
    this.edges = boxEdges(stage.grid);
    this.element.dataset.view = '3d';
    this.title.textContent = 'Surface';
    this.heading.append(this.title, this.note);
    this.labels.className = 'locref-labels';
    this.labels.setAttribute('aria-hidden', 'true');
    this.lost.className = 'locref-lost';
    this.lost.hidden = true;
    this.lost.addEventListener('click', () => this.begin());
    this.frame.append(this.labels, this.lost);
    this.meshes = new SurfaceMeshes({
      renderer: () => this.renderer, later: () => this.restSoon(),
      made: (id, made) => {
        this.onSurface(id, made);
        this.wishes.draw();
      },
      failed: words => {
        this.note.textContent = this.note.title = words;
      },
    });
    this.begin();
  }

  dispose(): void {
    super.dispose();
    clearTimeout(this.restTimer);
    this.meshes.dispose();
    this.renderer?.dispose();
    this.renderer = null;
  }

  /** A volume came or was replaced as a whole. */
  setVolume(layer: Layer): void {
    this.meshes.setVolume(layer);
  }

  /** A box of a volume changed: `size` voxels of it from `low`; the layer's data hold the new values. */
  setRegion(layer: Layer, low: Vec3, size: Vec3): void {
    this.meshes.setRegion(layer, low, size);
  }

  forget(layer: Layer): void {
    this.meshes.forget(layer, this.stage.layers);
  }

  /** Whether every visible surface on screen is the fine one of the data at the level asked for. */
  get isSettled(): boolean {
    return this.stage.layers.every(layer => !this.isShown(layer) || this.meshes.isFine(layer));
  }

  /** Start with a context of its own, or (after a loss) anew with another. */
  private begin(): void {
    this.canvas?.remove();
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', 'Surface of the map at the contour level');
    this.canvas.title =
      'Drag: turn, right drag or Shift: shift, wheel (after a click) or + −: zoom, arrows: turn, 0: first view. Click the surface: bring the slices there';
    this.frame.prepend(this.canvas);
    this.meshes.clear();
    this.sphere = null;
    this.drawn.content = '';
    this.lost.hidden = true;
    try {
      this.renderer = new Renderer(this.canvas);
    } catch (error) {
      this.renderer = null;
      this.unusable = error instanceof Error ? error.message : String(error);
      this.lost.textContent = this.unusable;
      this.lost.disabled = true;
      this.lost.hidden = false;
      return;
    }
    this.canvas.addEventListener('webglcontextlost', event => {
      if (event.target !== this.canvas || !this.renderer) return;
      event.preventDefault();
      this.renderer = null;
      this.lost.textContent = 'The browser took this picture’s graphics memory away, as it does when many are open. Click to draw it again.';
      this.lost.hidden = false;
    });
    this.listen(this.canvas);
    this.wishes.draw();
  }

  /** Also called when the picture comes back into the page, where the browser may have dropped it. */
  protected resized(): void {
    this.drawn.content = '';
    super.resized();
  }

  private isShown(layer: Layer): boolean {
    return layer.inSurface && layer.style.visible && layer.style.opacity > 0 && layer.volume !== null;
  }

  picture(): HTMLCanvasElement | null {
    if (!this.renderer) return null;
    this.paint(true); // the buffer is only whole until the browser has shown it
    const both = document.createElement('canvas');
    Object.assign(both, { width: this.canvas.width, height: this.canvas.height });
    const context = both.getContext('2d')!;
    context.drawImage(this.canvas, 0, 0);
    context.drawImage(this.labels, 0, 0);
    return both;
  }

  /** `isAtRest`: draw in full, however long it takes. Else slow pictures are drawn with less care, or later. */
  paint(isAtRest = false): void {
    const { renderer } = this;
    if (!renderer) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (!width || !height) return;
    for (const canvas of [this.canvas, this.labels]) if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { theme, grid, cursor, layers } = this.stage;
    const surfaces: Surface[] = [];
    const isSlow = this.frameMs > SLOW_MS && !isAtRest;
    for (const layer of layers) {
      if (!this.isShown(layer)) continue;
      const found = this.meshes.best(layer, isSlow, this.moving && this.frameMs > SLOW_MS);
      if (found) surfaces.push({ mesh: found.mesh, place: placeOf(layer, found.binning), colour: rgb(layer.colour(theme)), opacity: layer.style.opacity });
    }
    for (const item of this.stage.tool.balls?.(theme) ?? []) {
      this.sphere ||= renderer.upload(ball());
      surfaces.push({ mesh: this.sphere, place: placed(item.radius, item.centre), colour: rgb(item.colour), opacity: item.opacity });
    }
    this.paintLabels(ratio);
    const content = this.contentOf(surfaces);
    const place = String(cursor);
    if (content === this.drawn.content && !isAtRest) {
      if (place === this.drawn.cursor) return;
      // A slow picture is not drawn anew for every step of the slices.
      if (isSlow) return this.restSoon();
    }
    [this.drawn.content, this.drawn.cursor] = [content, place];
    const turn = Float32Array.from(transpose(this.camera.rotation));
    const paper = theme.paper.map(value => value / 255) as [number, number, number];
    const ink = theme.ink.map(value => value / 255) as [number, number, number];
    renderer.draw({ clip: this.camera.matrix(this.width, this.height), turn, paper }, surfaces, [
      { points: this.edges, colour: ink, opacity: 0.25 },
      { points: crossHair(grid, cursor), colour: ink, opacity: 0.35 },
    ], !isSlow);
    if (isSlow) this.restSoon();
    else if (!this.moving) renderer.timeDrawing(milliseconds => (this.frameMs = milliseconds));
  }

  /** Everything but the cross-hair that the picture depends on. */
  private contentOf(surfaces: readonly Surface[]): string {
    const { camera, width, height } = this;
    const meshes = surfaces.map(({ mesh, place, colour, opacity }) => `${mesh.id} ${place} ${colour} ${opacity}`);
    return [camera.rotation, camera.zoom, camera.pan, width, height, window.devicePixelRatio, this.stage.theme.dark, ...meshes].join('|');
  }

  /** A hand on a slow machine moves less often than that machine's rest would be. */
  private get restMs(): number {
    return Math.min(Math.max(REST_MS, this.frameMs), LONGEST_REST_MS);
  }

  /** Draw in full once nothing has moved for a while. */
  private restSoon(): void {
    clearTimeout(this.restTimer);
    this.restTimer = window.setTimeout(() => {
      this.moving = false;
      this.paint(true);
    }, this.restMs);
  }

  private paintLabels(ratio: number): void {
    const { theme, grid, fulcrum, showFulcrum, tool } = this.stage;
    const { width, height, camera } = this;
    const labels = [camera.rotation, camera.zoom, camera.pan, width, height, ratio, theme.dark, showFulcrum && fulcrum].join('|');
    if (labels === this.drawn.labels && !tool.paint) return;
    this.drawn.labels = labels;
    const context = this.labels.getContext('2d', { willReadFrequently: true })!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const project = (voxel: ArrayLike<number>): Vec3 => camera.project(voxel, width, height);
    if (fulcrum && showFulcrum) {
      const [x, y] = project(fulcrum);
      paintFulcrum(context, x, y, true, theme);
    }
    const size = camera.voxelsPerPixel(width, height);
    paintScaleBar(context, width, height, grid.voxelSize * size, theme);
    const [x0, y0, arm] = [34, height - 34, 22];
    for (const [axis, name] of ['x', 'y', 'z'].entries()) {
      const step: Vec3 = [0, 0, 0];
      step[axis] = arm;
      const [dx, dy, dz] = apply(camera.rotation, step);
      context.globalAlpha = dz < -arm / 2 ? 0.5 : 1;
      context.lineWidth = 2;
      context.strokeStyle = theme.text;
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x0 + dx, y0 - dy);
      context.stroke();
      write(context, name, x0 + 1.35 * dx, y0 - 1.35 * dy + 4, 'center', theme);
      context.globalAlpha = 1;
    }
    tool.paint?.({ view: '3d', plane: null, context, width, height, theme, project, pixelsPerVoxel: 1 / size });
  }

  /** CSS pixels. */
  get size(): [number, number] {
    return [this.width, this.height];
  }

  /** Something is moving: coarse surfaces if fine ones are slow, until it rests. */
  nowMoving(): void {
    this.moving = true;
    this.restSoon();
    this.wishes.draw();
  }

  protected locate(event: PointerEvent | WheelEvent): PointerAt {
    const [x, y] = [event.offsetX, event.offsetY];
    const ray = this.camera.ray(x, y, this.width, this.height);
    const hit = this.hit(ray);
    const pixelsPerVoxel = 1 / this.camera.voxelsPerPixel(this.width, this.height);
    return { view: '3d', voxel: hit?.point ?? null, layer: hit?.layer ?? null, ray, x, y, pixelsPerVoxel, event: event as PointerEvent };
  }

  /** The nearest surface on a line of sight: of a map if one is met, else of a mask. */
  hit(ray: Ray): { point: Vec3; layer: string } | null {
    let best: { point: Vec3; layer: string; distance: number } | null = null;
    for (const kind of ['map', 'mask']) {
      for (const layer of this.stage.layers) {
        if (layer.style.kind !== kind || !this.isShown(layer)) continue;
        const found = firstHit(layer.volume!, layer.byteLevel(), layer.motion ? movedRay(ray, layer.motion) : ray);
        if (found && (!best || found.distance < best.distance)) {
          const point = ray.origin.map((value, axis) => value + found.distance * ray.direction[axis]) as Vec3;
          best = { point, layer: layer.id, distance: found.distance };
        }
      }
      if (best) break;
    }
    return best;
  }

  protected pressed(at: PointerAt): void {
    this.button = at.event.shiftKey && at.event.button === 0 ? 2 : at.event.button;
    this.moved = 0;
  }

  protected dragged(_at: PointerAt, dx: number, dy: number): void {
    this.moved += Math.abs(dx) + Math.abs(dy);
    if (this.moved < CLICK_PIXELS) return;
    if (this.button === 0) this.camera.turn(dx * TURN_PER_PIXEL, dy * TURN_PER_PIXEL);
    else {
      const size = this.camera.voxelsPerPixel(this.width, this.height);
      this.camera.pan = [this.camera.pan[0] + dx * size, this.camera.pan[1] - dy * size];
    }
    this.nowMoving();
  }

  protected released(at: PointerAt): void {
    if (this.button === 0 && this.moved < CLICK_PIXELS && at.voxel) this.wishes.pick(at);
  }

  protected turnedWheel(notches: number): void {
    this.zoom(ZOOM_STEP ** -notches);
  }

  private zoom(by: number): void {
    this.camera.zoom = Math.min(Math.max(this.camera.zoom * by, 0.3), 40);
    this.nowMoving();
  }

  protected keyed(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { camera } = this;
    const turns: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in turns) camera.turn(...(turns[event.key].map(step => step * KEY_TURN) as [number, number]));
    else if (event.key === '+' || event.key === '=') this.zoom(ZOOM_STEP);
    else if (event.key === '-') this.zoom(1 / ZOOM_STEP);
    else if (event.key === '0') camera.reset();
    else if (event.key === 'Home') this.wishes.home();
    else return false;
    this.nowMoving();
    return true;
  }
}
