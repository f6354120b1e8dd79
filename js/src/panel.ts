/** One slice on screen: heading, canvas, slider; turns pointer, wheel and keys into wishes. */
import { AXES, type Plane, type Slice, type Vec3, type Volume, clamp, extractSlice, screenToVoxel } from './geometry';
import { type Segment, outline } from './outline';
import { paint } from './paint';
import type { Theme } from './theme';
import { sayDistance } from './words';

/** What all three panels show. */
export interface Shared {
  box: number;
  voxelSize: number;
  cursor: Vec3;
  fulcrum: Vec3 | null;
  density: Volume | null;
  mask: Volume | null;
  showMask: boolean;
  showFulcrum: boolean;
}

export interface Wishes {
  /** Put the meeting point of the slices at these voxels. */
  moveTo(voxel: Vec3): void;
  /** The pointer is over this voxel, or (null) over none. */
  pointAt(voxel: Vec3 | null): void;
  /** Bring the slices to the fulcrum. */
  home(): void;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10,
};

export class SlicePanel {
  readonly element = document.createElement('figure');
  readonly canvas = document.createElement('canvas');
  private readonly slider = document.createElement('input');
  private readonly heading = document.createElement('figcaption');
  private readonly observer: ResizeObserver;
  private slice: Slice | null = null;
  private contour: Segment[] = [];
  private made = '';
  private frame = 0;
  private wheel = 0;

  constructor(readonly plane: Plane, private readonly shared: Shared, private readonly wishes: Wishes, private theme: Theme) {
    const axis = AXES[plane.normal];
    this.element.className = 'locref-panel';
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'img');
    this.canvas.title = 'Click or drag: move the other two slices here. Then wheel or ↑ ↓: next slice; Page keys: ten; Home: fulcrum';
    Object.assign(this.slider, { type: 'range', min: '0', max: String(shared.box - 1), step: '1' });
    this.slider.setAttribute('aria-label', `slice along ${axis}, voxels`);
    this.slider.title = `Which slice along ${axis}, in voxels from the corner`;
    this.slider.addEventListener('input', () => this.goTo(Number(this.slider.value)));
    this.element.append(this.heading, this.canvas, this.slider);
    this.canvas.addEventListener('pointerdown', event => this.onPress(event));
    this.canvas.addEventListener('pointermove', event => this.onMove(event));
    this.canvas.addEventListener('pointerleave', () => this.wishes.pointAt(null));
    this.canvas.addEventListener('wheel', event => this.onWheel(event), { passive: false });
    this.canvas.addEventListener('keydown', event => this.onKey(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.draw();
  }

  /** Draw in the next frame; many calls draw once. */
  draw(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.drawNow();
    });
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
  }

  private drawNow(): void {
    const { density, mask, cursor, box, fulcrum } = this.shared;
    const { normal, name } = this.plane;
    const at = cursor[normal];
    const where = fulcrum ? sayDistance(fulcrum, normal, at) : '';
    this.heading.textContent = '';
    const title = document.createElement('b');
    title.textContent = `${name} plane, ${AXES[normal]} = ${at}`;
    const note = document.createElement('span');
    note.textContent = this.shared.showFulcrum ? where : '';
    this.heading.append(title, note);
    this.canvas.setAttribute('aria-label', `Slice of the map, ${title.textContent}${where && `, ${where}`}`);
    this.slider.value = String(at);
    if (!density) return;
    const wanted = `${at} ${mask !== null && this.shared.showMask}`;
    if (this.made !== wanted) {
      this.slice = extractSlice(density, this.plane, at);
      this.contour = mask && this.shared.showMask ? outline(extractSlice(mask, this.plane, at), 127.5) : [];
      this.made = wanted;
    }
    const size = this.canvas.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    const pixels = Math.round(size * ratio);
    if (pixels === 0) return;
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
    const context = this.canvas.getContext('2d')!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, size, {
      plane: this.plane, box, voxelSize: this.shared.voxelSize, binning: density.binning, slice: this.slice!,
      contour: this.contour, cursor, fulcrum: this.shared.showFulcrum ? fulcrum : null,
    }, this.theme);
  }

  private goTo(slice: number): void {
    const voxel: Vec3 = [...this.shared.cursor];
    voxel[this.plane.normal] = clamp(Math.round(slice), 0, this.shared.box - 1);
    this.wishes.moveTo(voxel);
  }

  private step(count: number): void {
    this.goTo(this.shared.cursor[this.plane.normal] + count);
  }

  private voxelUnder(event: PointerEvent): Vec3 {
    const { box, cursor } = this.shared;
    const size = this.canvas.clientWidth;
    const voxel: Vec3 = [...cursor];
    const whole = (position: number) => clamp(Math.round(screenToVoxel(position, box, size)), 0, box - 1);
    voxel[this.plane.right] = whole(event.offsetX);
    voxel[this.plane.up] = whole(size - event.offsetY);
    return voxel;
  }

  private onPress(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.wishes.moveTo(this.voxelUnder(event));
  }

  private onMove(event: PointerEvent): void {
    const voxel = this.voxelUnder(event);
    this.wishes.pointAt(voxel);
    if (this.canvas.hasPointerCapture(event.pointerId)) this.wishes.moveTo(voxel);
  }

  private onWheel(event: WheelEvent): void {
    // Without the focus the wheel scrolls the page, as people expect.
    if (document.activeElement !== this.canvas && !this.canvas.matches(':focus')) return;
    event.preventDefault();
    event.stopPropagation();
    this.wheel += event.deltaMode === 0 ? event.deltaY / 50 : event.deltaY;
    const whole = Math.trunc(this.wheel);
    this.wheel -= whole;
    if (whole) this.step(-clamp(whole, -5, 5));
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key in STEPS) this.step(STEPS[event.key]);
    else if (event.key === 'Home') this.wishes.home();
    else return;
    event.preventDefault();
  }
}
