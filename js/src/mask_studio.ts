/** The anywidget front end of MaskStudio's pictures: a viewer with brush, eraser and regions. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import { type Box, type Gate, clearBox, joined, setBox } from './brush';
import { element } from './dom';
import type { Vec3, Volume } from './geometry';
import { KernelLink, Throttle, type VolumeState } from './kernel_link';
import { Layer, type Shown } from './layers';
import { type BarState, StudioBar } from './studio_bar';
import css from './studio.css';
import { type Place, type Studio, StudioTool, type ToolName, radiusWithin } from './studio_tools';
import { type Stroke, Strokes } from './stroke';
import type { PointerAt } from './tools';

interface State extends VolumeState {
  tool: ToolName;
  brush_radius: number;
  gated: boolean;
  has_mask: boolean;
  previewing: string;
  undo_words: string;
  redo_words: string;
  chosen_ranks: number[];
  hidden_ranks: number[];
}

type Answer =
  | { kind: 'box'; id: string; stroke: number | null; low: Vec3; size: Vec3 }
  | { kind: 'preview'; shape: Vec3; scale: number; offset: number; low: Vec3; size: Vec3 }
  | { kind: 'ranks'; shape: Vec3; scale: number; offset: number }
  | { kind: string };

const PREVIEW = 'preview';
const PREVIEW_COLOUR = '#cc79a7';
const SAVE_MS = 60;
const HINTS: Record<ToolName, string> = {
  look: 'Click a slice or the surface to bring the slices there. Wheel or ↑ ↓ leaf, + − zoom, 0 shows all.',
  paint: 'Drag in a slice or over the surface to paint; Shift takes away, Shift wheel or [ ] sizes the brush, I switches the gate. Ctrl click moves the cross-hair, Esc breaks a stroke off.',
  remove: 'Drag in a slice or over the surface to take away; Shift paints, Shift wheel or [ ] sizes the brush. Ctrl click moves the cross-hair, Esc breaks a stroke off.',
  eraser: 'Click or drag to place the sphere, Shift wheel or [ ] sizes it; then erase inside or outside of it. Ctrl click moves the cross-hair.',
  regions: 'Click a region to choose it, drag over several to merge them (on the surface with Shift), Alt click to split one. Ctrl click moves the cross-hair.',
};

class StudioLink extends KernelLink<State> implements Studio {
  radius: number;
  gated: boolean;
  tool: ToolName;
  chosen = new Set<number>();
  hidden = new Set<number>();
  readonly strokes: Strokes;
  readonly pointer: StudioTool;
  private readonly bar: StudioBar;
  private readonly saveRadius = new Throttle(SAVE_MS);
  private rankVolume: { volume: Volume; version: number } | null = null;
  /** Versions go on when a preview comes anew: pictures are kept by them. */
  private previewVersion = 0;
  /** What of the preview is not 0. */
  private previewBox: Box | null = null;
  /** When the last preview was drawn; for benchmarks. */
  previewShown = 0;

  constructor(model: AnyModel<State>) {
    super(model, { picked: (at: PointerAt) => this.onPick(at) });
    const { viewer } = this;
    this.radius = model.get('brush_radius');
    this.gated = model.get('gated');
    this.tool = model.get('tool');
    this.strokes = new Strokes({
      mask: () => this.maskLayer?.volume ?? null,
      gate: level => this.gateAt(level),
      changed: (box: Box) => viewer.regionChanged(this.maskId, box.low, box.high.map((high, axis) => high - box.low[axis]) as Vec3),
      send: (stroke: Stroke) => this.tell({ kind: 'stroke', ...stroke }),
    });
    this.pointer = new StudioTool(this, this.strokes);
    this.bar = new StudioBar({
      setTool: tool => this.setTool(tool), setRadius: radius => this.setRadius(radius), setGated: gated => this.setGated(gated),
      setTint: on => {
        this.pointer.showTint = on;
        viewer.draw();
      },
      erase: outside => this.erase(outside), undo: () => this.undo(), redo: () => this.redo(),
    });
    viewer.root.insertBefore(this.bar.element, viewer.bar.nextSibling);
    viewer.root.append(element('style', '', [css]));
    viewer.setTool(this.pointer);
    this.on('msg:custom', ((answer: Answer, buffers: DataView[]) => this.onStudioAnswer(answer, buffers)) as never);
    for (const name of ['tool', 'brush_radius', 'gated', 'has_mask', 'previewing', 'undo_words', 'redo_words', 'chosen_ranks', 'hidden_ranks', 'level']) {
      this.on(`change:${name}`, () => this.follow());
    }
    viewer.onDrawn = () => this.drawBar();
    this.follow();
    this.tell({ kind: 'need_studio' });
  }

  dispose(): void {
    this.saveRadius.stop();
    super.dispose();
  }

  get stage() {
    return this.viewer.stage;
  }

  get hasMask(): boolean {
    return this.model.get('has_mask') || this.strokes.pending.length > 0;
  }

  mask(): { volume: Volume; version: number } | null {
    const layer = this.maskLayer;
    return layer?.volume && layer.style.visible ? { volume: layer.volume, version: layer.version } : null;
  }

  preview(): { volume: Volume; version: number } | null {
    const layer = this.stage.layer(PREVIEW);
    return layer?.volume ? { volume: layer.volume, version: layer.version } : null;
  }

  ranks(): { volume: Volume; version: number } | null {
    return this.rankVolume;
  }

  setTool(tool: ToolName): void {
    this.tool = tool;
    this.set('tool', tool);
    this.follow();
  }

  setRadius(radius: number): void {
    this.radius = radiusWithin(radius, this.largest);
    this.saveRadius.run(() => this.set('brush_radius', this.radius));
    this.viewer.draw();
  }

  setGated(gated: boolean): void {
    this.gated = gated;
    this.set('gated', gated);
    this.viewer.draw();
  }

  undo(): void {
    this.tell({ kind: 'undo' });
  }

  redo(): void {
    this.tell({ kind: 'redo' });
  }

  pickRegions(places: Place[], split: boolean): void {
    this.tell({ kind: 'regions', places, split });
  }

  eraserMoved(): void {
    this.viewer.draw();
  }

  say(words: string): void {
    this.viewer.say(words);
  }

  private get maskId(): string {
    return this.model.get('layers').find(state => state.kind === 'mask')!.id;
  }

  private get maskLayer(): Layer | undefined {
    return this.stage.layer(this.maskId);
  }

  private get largest(): number {
    return Math.max(2, Math.round(Math.max(...this.stage.grid.shape) / 4));
  }

  /** The map's bytes as a gate; what lies between two bytes the kernel decides. */
  private gateAt(level: number | null): Gate | null {
    const first = this.stage.first;
    const mask = this.maskLayer?.volume;
    if (level === null || !first?.volume || first.volume.data.length !== mask?.data.length) return null;
    return { data: first.volume.data, least: first.toByte(level) };
  }

  private erase(outside: boolean): void {
    const sphere = this.pointer.eraserSphere;
    if (sphere) this.tell({ kind: 'erase', spheres: [sphere], outside });
  }

  private onPick(at: PointerAt): void {
    if (!this.pointer.clicked(at)) this.sendPick(at);
  }

  private set<Name extends 'tool' | 'brush_radius' | 'gated'>(name: Name, value: State[Name]): void {
    this.model.set(name, value as never);
    this.model.save_changes();
  }

  /** Take up what the traits say. */
  private follow(): void {
    const { model, viewer } = this;
    this.tool = model.get('tool');
    this.radius = radiusWithin(model.get('brush_radius'), this.largest);
    this.gated = model.get('gated');
    this.chosen = new Set(model.get('chosen_ranks'));
    this.hidden = new Set(model.get('hidden_ranks'));
    viewer.setHint(HINTS[this.tool]);
    viewer.draw();
  }

  private drawBar(): void {
    const { model } = this;
    const state: BarState = {
      tool: this.tool, radius: this.radius, largest: this.largest, voxelSize: this.stage.grid.voxelSize, gated: this.gated,
      level: this.stage.first?.style.level ?? model.get('level'), hasMask: this.hasMask, hasEraser: this.pointer.eraser !== null,
      previewing: model.get('previewing'), undoWords: model.get('undo_words'), redoWords: model.get('redo_words'),
    };
    this.bar.draw(state);
  }

  private onStudioAnswer(answer: Answer, buffers: DataView[]): void {
    if (answer.kind === 'box') this.onBox(answer as Extract<Answer, { kind: 'box' }>, buffers[0]);
    else if (answer.kind === 'preview') this.showPreview(answer as Extract<Answer, { kind: 'preview' }>, bytesOf(buffers[0]));
    else if (answer.kind === 'ranks') {
      const { shape, scale, offset } = answer as Extract<Answer, { kind: 'ranks' }>;
      const data = bytesOf(buffers[0]);
      const volume: Volume | null = data.length ? { data, shape, scale, offset: [offset, offset, offset] } : null;
      this.rankVolume = volume && { volume, version: (this.rankVolume?.version ?? 0) + 1 };
      this.viewer.draw();
    } else if (answer.kind === 'volume') {
      // A mask that came as a whole has no strokes in it that are still under way.
      if ((answer as unknown as { id: string }).id === this.maskId && this.maskLayer?.volume) this.strokes.answered(null);
    }
  }

  private onBox(answer: Extract<Answer, { kind: 'box' }>, bytes: DataView): void {
    const volume = this.maskLayer?.volume;
    if (!volume) return;
    const { low, size } = answer;
    if (size[0] * size[1] * size[2]) {
      setBox(volume, low, size, bytesOf(bytes));
      this.viewer.regionChanged(this.maskId, low, size);
    }
    this.strokes.answered(answer.stroke);
  }

  /** Nothing but zeros lies outside of the box that is sent. */
  private showPreview(told: Extract<Answer, { kind: 'preview' }>, part: Uint8Array): void {
    const { viewer } = this;
    const { shape, scale, offset, low, size } = told;
    let layer = viewer.stage.layer(PREVIEW);
    if (!shape[0]) {
      if (layer) viewer.setLayers(viewer.stage.layers.filter(other => other !== layer));
      return;
    }
    if (!layer) {
      layer = new Layer({ id: PREVIEW, name: 'preview', kind: 'mask', colour: PREVIEW_COLOUR, opacity: 0.4, visible: true, level: 0.5 });
      layer.isListed = false;
      layer.version = this.previewVersion;
      viewer.setLayers([...viewer.stage.layers, layer]);
    }
    const box: Box | null = part.length ? { low, high: low.map((value, axis) => value + size[axis]) as Vec3 } : null;
    const before = layer.volume;
    if (before && before.scale === scale && String(before.shape) === String(shape)) {
      const changed = joined(this.previewBox, box);
      clearBox(before, this.previewBox);
      setBox(before, low, size, part);
      if (changed) viewer.regionChanged(PREVIEW, changed.low, changed.high.map((high, axis) => high - changed.low[axis]) as Vec3);
    } else {
      const volume: Volume = { data: new Uint8Array(shape[0] * shape[1] * shape[2]), shape, scale, offset: [offset, offset, offset] };
      setBox(volume, low, size, part);
      const shown: Shown = { ...volume, low: 0, high: 1, grey: [0, 1], mean: 0, deviation: 0 };
      viewer.setVolume(PREVIEW, shown);
    }
    this.previewBox = box;
    this.previewVersion = layer.version;
    this.previewShown = performance.now();
  }
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const link = new StudioLink(model);
    el.append(link.viewer.root);
    // For tests: what is drawn, and when it is settled.
    Object.assign(link.viewer.root, { viewer: link.viewer, studio: link });
    return () => link.dispose();
  },
};
