/** One slice on screen: heading, canvas, slider. */
import { AXES, type Plane, type Slice, type Vec3, type Window2D, clamp, fromScreen, sliceWindow, toScreen, wholeVoxel } from './geometry';
import { GreyPicture, greyTable } from './grey';
import { outline } from './outline';
import { type Line, paintSlice } from './paint';
import { Picture } from './picture';
import type { Stage, Wishes } from './stage';
import type { PointerAt } from './tools';
import { sayFulcrum } from './words';

const STEPS: Readonly<Record<string, number>> = {
  ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
};
const ZOOM_STEP = 1.25;

export class SlicePanel extends Picture {
  protected readonly view: PointerAt['view'];
  readonly canvas = document.createElement('canvas');
  private readonly slider = document.createElement('input');
  private readonly title = document.createElement('b');
  private readonly note = document.createElement('span');
  private readonly grey = new GreyPicture();
  private greyOf = '';
  private greySlice: Slice | null = null;
  private readonly lines = new Map<string, { key: string; slice: Slice | null; pieces: number[] }>();
  private button = 0;

  constructor(readonly plane: Plane, stage: Stage, wishes: Wishes) {
    super(stage, wishes);
    this.view = plane.name;
    const axis = AXES[plane.normal];
    this.element.dataset.view = plane.name;
    this.heading.append(this.title, this.note);
    this.canvas.setAttribute('role', 'img');
    this.canvas.title =
      'Click or drag: move the other two slices here. Then wheel or ↑ ↓: next slice, Page keys: ten, + −: zoom, 0: whole box, Home: fulcrum. Right drag: shift. Ctrl wheel: zoom';
    this.frame.append(this.canvas);
    Object.assign(this.slider, { type: 'range', min: '0', max: String(stage.grid.shape[plane.normal] - 1), step: '1' });
    this.slider.setAttribute('aria-label', `slice along ${axis}, voxels`);
    this.slider.title = `Which slice along ${axis}, in voxels from the corner`;
    this.slider.addEventListener('input', () => this.goTo(Number(this.slider.value)));
    this.element.append(this.slider);
    this.listen(this.canvas);
  }

  picture(): HTMLCanvasElement | null {
    return this.canvas.width ? this.canvas : null;
  }

  paint(): void {
    const { cursor, fulcrum, showFulcrum, theme, grid, tool } = this.stage;
    const { plane } = this;
    const at = cursor[plane.normal];
    const where = fulcrum && showFulcrum ? sayFulcrum(fulcrum, plane.normal, at) : null;
    this.title.textContent = `${plane.name} at ${AXES[plane.normal]} = ${at}`;
    this.note.textContent = where?.short ?? '';
    this.note.title = where?.full ?? '';
    this.canvas.setAttribute('aria-label', `Slice of the map, ${plane.name} plane at ${AXES[plane.normal]} = ${at}. ${where?.full ?? ''}`);
    this.slider.value = String(at);
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (!width || !height || !this.stage.first?.volume) return;
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext('2d', { willReadFrequently: true })!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const shown = this.window();
    paintSlice(context, {
      plane, grid, window: shown, grey: this.greyPicture(at), lines: this.outlines(at), cursor, fulcrum: showFulcrum ? fulcrum : null,
    }, theme);
    tool.paint?.({
      view: this.view, plane, context, width: this.width, height: this.height, theme, pixelsPerVoxel: shown.pixelsPerVoxel,
      project: voxel => [...toScreen(shown, voxel[plane.right], voxel[plane.up]), voxel[plane.normal] - at],
    });
  }

  private greyPicture(at: number): { canvas: HTMLCanvasElement; slice: Slice } | null {
    const { first, theme } = this.stage;
    if (!first?.volume || !first.style.visible) return null;
    const key = `${at} ${first.version} ${theme.dark} ${first.volume.grey}`;
    if (this.greyOf !== key) {
      this.greySlice = first.slice(this.plane, at);
      if (this.greySlice) this.grey.fill(this.greySlice, greyTable(first.volume, theme));
      this.greyOf = key;
    }
    return this.greySlice && { canvas: this.grey.canvas, slice: this.greySlice };
  }

  private outlines(at: number): Line[] {
    const lines: Line[] = [];
    for (const layer of this.stage.layers) {
      if (!layer.volume || !layer.style.visible || !layer.inSlices) continue;
      const level = layer.byteLevel();
      const key = `${at} ${layer.version} ${level} ${layer.motion?.turn} ${layer.motion?.about}`;
      let kept = this.lines.get(layer.id);
      if (kept?.key !== key) {
        const slice = layer.slice(this.plane, at);
        kept = { key, slice, pieces: slice ? outline(slice, level) : [] };
        this.lines.set(layer.id, kept);
      }
      if (!kept.slice || !kept.pieces.length) continue;
      const isMask = layer.style.kind === 'mask';
      lines.push({
        pieces: kept.pieces, slice: kept.slice, colour: layer.colour(this.stage.theme), opacity: isMask ? 1 : 0.9,
        width: isMask ? 2 : 1.2, dashed: layer.motion !== null,
      });
    }
    return lines;
  }

  private window(): Window2D {
    const { grid, zoom, centre } = this.stage;
    return sliceWindow(grid, this.plane, this.width, this.height, zoom, centre);
  }

  private goTo(slice: number): void {
    const voxel: Vec3 = [...this.stage.cursor];
    voxel[this.plane.normal] = clamp(Math.round(slice), 0, this.stage.grid.shape[this.plane.normal] - 1);
    this.wishes.moveTo(voxel);
  }

  protected locate(event: PointerEvent | WheelEvent): PointerAt {
    const [x, y] = [event.offsetX, event.offsetY];
    const window = this.window();
    const [right, up] = fromScreen(window, x, y);
    const voxel: Vec3 = [...this.stage.cursor];
    voxel[this.plane.right] = right;
    voxel[this.plane.up] = up;
    return { view: this.view, voxel, layer: null, ray: null, x, y, pixelsPerVoxel: window.pixelsPerVoxel, event: event as PointerEvent };
  }

  protected pressed(at: PointerAt): void {
    this.button = at.event.button;
    if (this.button === 0) this.wishes.moveTo(wholeVoxel(at.voxel!, this.stage.grid));
  }

  protected dragged(at: PointerAt, dx: number, dy: number): void {
    if (this.button === 0) return this.wishes.moveTo(wholeVoxel(at.voxel!, this.stage.grid));
    const { pixelsPerVoxel } = this.window();
    const by: Vec3 = [0, 0, 0];
    by[this.plane.right] = -dx / pixelsPerVoxel;
    by[this.plane.up] = dy / pixelsPerVoxel;
    this.wishes.panBy(by);
  }

  protected released(): void {}

  protected turnedWheel(notches: number, at: PointerAt, event: WheelEvent): void {
    if (event.ctrlKey) this.wishes.zoomTo(this.stage.zoom * ZOOM_STEP ** -notches, at.voxel!);
    else this.goTo(this.stage.cursor[this.plane.normal] - clamp(notches, -5, 5));
  }

  protected keyed(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { cursor, zoom } = this.stage;
    if (event.key in STEPS) this.goTo(cursor[this.plane.normal] + STEPS[event.key]);
    else if (event.key === 'Home') this.wishes.home();
    else if (event.key === '+' || event.key === '=') this.wishes.zoomTo(zoom * ZOOM_STEP, cursor);
    else if (event.key === '-') this.wishes.zoomTo(zoom / ZOOM_STEP, cursor);
    else if (event.key === '0') this.wishes.zoomTo(1);
    else return false;
    return true;
  }
}
