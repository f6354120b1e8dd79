/** Contour level of a map: histogram, slider, number, standard deviations and enclosed mass. */
import { element, numberInput, show, slider } from './dom';
import { clamp } from './geometry';
import { countBytes, massKda, voxelsAbove } from './histogram';
import type { Layer } from './layers';
import type { Stage } from './stage';
import { sayLevel, sayMass } from './words';

const HEIGHT = 84;
/** Half a slider's thumb: the histogram's axis begins and ends where the thumb's middle can be. */
const INSET = 8;

export interface LevelWishes {
  setLevel(layer: Layer, level: number): void;
  /** Ask for the level that encloses a mass, in kDa. */
  setMass(layer: Layer, kda: number): void;
}

export class LevelControl {
  readonly element = element('section', 'locref-level');
  private readonly which = element('select');
  private readonly title = element('b', '', ['Contour level']);
  private readonly canvas = element('canvas');
  private readonly slider: HTMLInputElement;
  private readonly number: ReturnType<typeof numberInput>;
  private readonly mass: ReturnType<typeof numberInput>;
  private readonly deviations = element('span', 'locref-hint');
  private readonly counts = new WeakMap<Uint8Array, Float64Array>();
  private chosen = '';
  private drawn = '';
  private exact: { id: string; level: number; kda: number } | null = null;
  private readonly observer: ResizeObserver;

  constructor(private readonly stage: Stage, private readonly wishes: LevelWishes) {
    this.which.setAttribute('aria-label', 'map whose contour level is set');
    this.which.title = 'Which map’s contour level is set here';
    this.which.addEventListener('change', () => {
      this.chosen = this.which.value;
      this.draw();
    });
    this.slider = slider('contour level', 'Contour level of the surface; arrow keys: small steps', 0, 1, 'any', value => this.set(value));
    this.number = numberInput('Level', 'Contour level in the map’s own units', '', value => this.set(value));
    this.mass = numberInput('Mass above', 'Mass of protein (0.81 Da per Å³) that fills the voxels above the level; type a mass to find its level', 'kDa', value => {
      const layer = this.layer;
      if (layer && value > 0) this.wishes.setMass(layer, value);
    });
    this.canvas.title = 'Number of voxels (logarithmic) by value; click or drag to set the level';
    this.canvas.setAttribute('aria-hidden', 'true');
    const drag = (event: PointerEvent) => this.set(this.valueAt(event.offsetX));
    this.canvas.addEventListener('pointerdown', event => {
      this.canvas.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.canvas.addEventListener('pointermove', event => this.canvas.hasPointerCapture(event.pointerId) && drag(event));
    this.element.append(
      element('div', 'locref-head', [this.title, this.which]), this.canvas, this.slider,
      element('div', 'locref-row', [this.number.label, this.deviations]), element('div', 'locref-row', [this.mass.label]),
    );
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  dispose(): void {
    this.observer.disconnect();
  }

  /** The exact mass above a level, counted in the map itself. */
  showMass(id: string, level: number, kda: number): void {
    this.exact = { id, level, kda };
    this.draw();
  }

  private get layer(): Layer | undefined {
    const maps = this.stage.layers.filter(layer => layer.style.kind === 'map');
    return maps.find(layer => layer.id === this.chosen) ?? maps[0];
  }

  private set(value: number): void {
    const { layer } = this;
    if (layer?.volume && Number.isFinite(value)) this.wishes.setLevel(layer, value);
  }

  private valueAt(x: number): number {
    const { low, high } = this.layer!.volume!;
    return low + clamp((x - INSET) / (this.canvas.clientWidth - 2 * INSET), 0, 1) * (high - low);
  }

  draw(): void {
    const maps = this.stage.layers.filter(layer => layer.style.kind === 'map');
    const names = maps.map(layer => layer.style.name);
    if (String(Array.from(this.which.options, option => option.text)) !== String(names)) {
      this.which.replaceChildren(...maps.map(layer => new Option(layer.style.name, layer.id)));
    }
    this.which.hidden = maps.length < 2;
    const { layer } = this;
    for (const input of [this.slider, this.number.input, this.mass.input]) input.disabled = !layer?.volume;
    if (!layer?.volume) return;
    this.which.value = layer.id;
    const { volume, style } = layer;
    const key = [layer.id, style.level, layer.version, layer.colour(this.stage.theme), this.stage.theme.dark, this.canvas.clientWidth, this.exact?.kda].join();
    if (key === this.drawn) return;
    this.drawn = key;
    const { low, high, mean, deviation } = volume;
    Object.assign(this.slider, { min: String(low), max: String(high) });
    this.slider.value = String(style.level);
    this.slider.setAttribute('aria-valuetext', sayLevel(style.level));
    show(this.number.input, String(Number(style.level.toPrecision(4))));
    this.deviations.textContent = deviation > 0 ? `= ${((style.level - mean) / deviation).toFixed(1).replace('-', '−')} σ` : '';
    this.deviations.title = 'Standard deviations of all voxels above their mean';
    let counts = this.counts.get(volume.data);
    if (!counts) this.counts.set(volume.data, (counts = countBytes(volume.data)));
    const estimate = massKda(voxelsAbove(counts, layer.byteLevel()), volume, this.stage.grid.voxelSize);
    const exact = this.exact?.id === layer.id && this.exact.level === style.level ? this.exact.kda : null;
    show(this.mass.input, sayMass(exact ?? estimate));
    this.paint(counts, layer);
  }

  private paint(counts: Float64Array, layer: Layer): void {
    const { theme } = this.stage;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (!width) return;
    const size = [Math.round(width * ratio), Math.round(HEIGHT * ratio)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const context = this.canvas.getContext('2d')!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    // The outermost bytes also hold what lies beyond them.
    const most = Math.log1p(Math.max(...counts.subarray(1, 255), 1));
    const at = (byte: number) => INSET + (byte / 255) * (width - 2 * INSET);
    const level = layer.byteLevel();
    for (const above of [false, true]) {
      context.fillStyle = above ? layer.colour(theme) : theme.text;
      context.globalAlpha = above ? 1 : 0.35;
      context.beginPath();
      for (let byte = 0; byte < 256; byte++) {
        const [from, to] = above ? [Math.max(byte - 0.5, level), byte + 0.5] : [byte - 0.5, Math.min(byte + 0.5, level)];
        if (to <= from) continue;
        const height = Math.min(Math.log1p(counts[byte]) / most, 1) * (HEIGHT - 4);
        context.rect(at(from), HEIGHT - height, at(to) - at(from), height);
      }
      context.fill();
    }
    context.globalAlpha = 1;
    context.fillStyle = theme.text;
    context.fillRect(at(clamp(level, 0, 255)) - 1, 0, 2, HEIGHT);
  }
}
