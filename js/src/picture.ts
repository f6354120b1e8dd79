/** What the slices and the surface have in common: a figure with a canvas that a tool can work on. */
import type { Stage, Wishes } from './stage';
import type { PointerAt } from './tools';

const NOTCH_PIXELS = 50;

/**
 * A figure on screen. It turns pointer, wheel and keys into calls of the stage's tool first, then of
 * its own ways (`pressed`, `dragged`, `clicked`, `turnedWheel`, `keyed`).
 */
export abstract class Picture {
  readonly element = document.createElement('figure');
  readonly heading = document.createElement('figcaption');
  protected readonly frame = document.createElement('div');
  protected width = 0;
  protected height = 0;
  private readonly observer: ResizeObserver;
  private stroke: 'tool' | 'own' | null = null;
  private wheel = 0;

  protected abstract readonly view: PointerAt['view'];

  constructor(protected readonly stage: Stage, protected readonly wishes: Wishes) {
    this.element.className = 'locref-panel';
    this.frame.className = 'locref-frame';
    this.element.append(this.heading, this.frame);
    this.observer = new ResizeObserver(() => {
      this.width = this.frame.clientWidth;
      this.height = this.frame.clientHeight;
      this.resized();
    });
    this.observer.observe(this.frame);
  }

  dispose(): void {
    this.observer.disconnect();
  }

  /** Paint what the stage says now. */
  abstract paint(): void;

  /** The picture alone, for export; null while there is none. */
  abstract picture(): HTMLCanvasElement | null;

  protected abstract locate(event: PointerEvent | WheelEvent): PointerAt;
  protected abstract pressed(at: PointerAt): void;
  protected abstract dragged(at: PointerAt, dx: number, dy: number): void;
  protected abstract released(at: PointerAt): void;
  protected abstract turnedWheel(notches: number, at: PointerAt, event: WheelEvent): void;
  /** True when the key meant something. */
  protected abstract keyed(event: KeyboardEvent): boolean;

  protected resized(): void {
    this.wishes.draw();
  }

  /** Listen on the canvas that has the focus; called anew when the canvas is made anew. */
  protected listen(canvas: HTMLCanvasElement): void {
    canvas.tabIndex = 0;
    canvas.addEventListener('pointerdown', event => this.onPress(canvas, event));
    canvas.addEventListener('pointermove', event => this.onMove(canvas, event));
    canvas.addEventListener('pointerup', event => this.onRelease(canvas, event, false));
    canvas.addEventListener('pointercancel', event => this.onRelease(canvas, event, true));
    canvas.addEventListener('pointerleave', () => {
      this.stage.tool.hover?.(null);
      this.wishes.pointAt(null);
    });
    // The right button shifts the picture; JupyterLab would open its menu and take the focus.
    canvas.addEventListener('contextmenu', event => {
      event.preventDefault();
      event.stopPropagation();
    });
    canvas.addEventListener('wheel', event => this.onWheel(canvas, event), { passive: false });
    canvas.addEventListener('keydown', event => this.onKey(event));
  }

  private last: PointerAt | null = null;

  private onPress(canvas: HTMLCanvasElement, event: PointerEvent): void {
    canvas.focus({ preventScroll: true });
    if (this.stroke) return;
    canvas.setPointerCapture(event.pointerId);
    const at = (this.last = this.locate(event));
    this.stroke = event.button === 0 && this.stage.tool.press(at) ? 'tool' : 'own';
    if (this.stroke === 'own') this.pressed(at);
  }

  private onMove(canvas: HTMLCanvasElement, event: PointerEvent): void {
    const at = this.locate(event);
    const [dx, dy] = this.last ? [at.x - this.last.x, at.y - this.last.y] : [0, 0];
    this.last = at;
    if (this.stroke === 'tool') this.stage.tool.drag?.(at);
    else if (this.stroke === 'own') this.dragged(at, dx, dy);
    else this.stage.tool.hover?.(at);
    // What is shown may have been shifted under the pointer.
    this.wishes.pointAt(this.stroke === 'own' ? this.locate(event) : at);
    canvas.style.cursor = this.stage.tool.cursor(at);
  }

  private onRelease(canvas: HTMLCanvasElement, event: PointerEvent, cancelled: boolean): void {
    const stroke = this.stroke;
    this.stroke = null;
    if (canvas.hasPointerCapture(event.pointerId)) canvas.releasePointerCapture(event.pointerId);
    const at = this.locate(event);
    if (stroke === 'tool') this.stage.tool.release?.(at, cancelled);
    else if (stroke === 'own' && !cancelled) this.released(at);
  }

  private onWheel(canvas: HTMLCanvasElement, event: WheelEvent): void {
    // Without the focus the wheel scrolls the page, as people expect.
    if (!canvas.matches(':focus')) return;
    event.preventDefault();
    event.stopPropagation();
    const delta = event.deltaY || event.deltaX; // Shift turns the wheel sideways
    this.wheel += event.deltaMode === 0 ? delta / NOTCH_PIXELS : delta;
    const notches = Math.trunc(this.wheel);
    this.wheel -= notches;
    if (!notches) return;
    const at = this.locate(event);
    if (!this.stage.tool.wheel?.(at, notches, event)) this.turnedWheel(notches, at, event);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'Escape' && this.stroke === 'tool' && this.last) {
      this.stroke = null;
      this.stage.tool.release?.(this.last, true);
    } else if (!this.stage.tool.key?.(event, this.view) && !this.keyed(event)) return;
    event.preventDefault();
  }
}
