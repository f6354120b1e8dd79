/** Ties a viewer to the kernel: volumes, exact values, levels, and what is said when no answer comes. */
import type { AnyModel } from '@anywidget/types';
import type { Grid, Vec3 } from './geometry';
import { Layer, type Shown, type Style } from './layers';
import type { PointerAt } from './tools';
import { post } from './post';
import { type Host, Viewer } from './viewer';
import { say, sayDensity } from './words';

/** The traits that every widget with a viewer has; see `volume_widget.py`. */
export interface VolumeState {
  shape_xyz: number[];
  voxel_size_angstrom: number;
  name: string;
  layers: LayerState[];
  level: number;
  cursor: number[];
}

interface LayerState extends Style {
  /** Where the layer's grid lies in the first one's voxels. */
  scale: number;
  offset: number[];
}

type Answer =
  | { kind: 'volume'; id: string; shape: Vec3; scale: number; offset: Vec3; low: number; high: number; grey: [number, number]; mean: number; deviation: number }
  | { kind: 'values'; voxel: Vec3; values: Record<string, number | null> }
  | { kind: 'mass'; id: string; level: number; kda: number }
  | { kind: 'words'; message: string };

const PATIENCE_MS = 8000;
const SAVE_MS = 100;
const PROBE_MS = 80;
const MEASURE_MS = 150;

/** The volumes come once per model; further views of the same widget share them. */
const received = new WeakMap<object, Map<string, Shown>>();

/** Acts at most once in so many milliseconds, the last time with the latest wish. */
export class Throttle {
  private timer = 0;
  private act: () => void = () => {};

  constructor(private readonly milliseconds: number) {}

  get isWaiting(): boolean {
    return this.timer !== 0;
  }

  run(act: () => void): void {
    this.act = act;
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      this.act();
    }, this.milliseconds);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = 0;
  }
}

export class KernelLink<State extends VolumeState> {
  readonly viewer: Viewer;
  /** Only so often are traits saved while a hand moves. */
  private readonly saving = new Map<keyof State, Throttle>();
  private readonly probing = new Throttle(PROBE_MS);
  private readonly measuring = new Throttle(MEASURE_MS);
  private patience = 0;
  private readonly volumes: Map<string, Shown>;
  private asked = new Set<string>();
  private readonly listeners: Array<[string, (...args: never[]) => void]> = [];

  constructor(protected readonly model: AnyModel<State>, host: Host = {}) {
    const grid: Grid = { shape: [...model.get('shape_xyz')] as Vec3, voxelSize: model.get('voxel_size_angstrom') };
    this.viewer = new Viewer(grid, model.get('name'), {
      cursorMoved: voxel => this.save('cursor', voxel as State['cursor']),
      levelChanged: layer => this.saveLevel(layer),
      styleChanged: () => this.saveStyles(),
      massWanted: (layer, kda) => this.tell({ kind: 'level_for_mass', id: layer.id, kda }),
      pointed: voxel => (voxel ? this.probing.run(() => this.tell({ kind: 'probe', voxel })) : this.probing.stop()),
      picked: at => this.sendPick(at),
      ...host,
    });
    this.volumes = received.get(model) ?? new Map();
    received.set(model, this.volumes);
    this.viewer.stage.cursor = [...model.get('cursor')] as Vec3;
    this.on('msg:custom', ((answer: Answer, buffers: DataView[]) => this.onAnswer(answer, buffers)) as never);
    this.on('change:cursor', () => this.onCursor());
    this.on('change:level', () => this.onStyles());
    this.on('change:layers', () => this.onStyles());
    // The widget manager's own event: the kernel behind this view has gone, or came back.
    this.on('comm_live_update', () => this.onConnection());
    this.onStyles();
  }

  dispose(): void {
    for (const [event, callback] of this.listeners) this.model.off(event, callback as () => void);
    for (const throttle of [...this.saving.values(), this.probing, this.measuring]) throttle.stop();
    clearTimeout(this.patience);
    this.viewer.dispose();
  }

  /** Listen to the model until this view is closed. */
  on(event: string, callback: (...args: never[]) => void): void {
    this.listeners.push([event, callback]);
    this.model.on(event, callback as () => void);
  }

  /** Set a trait soon; of several values in a short time the last one counts. */
  save<Name extends keyof State & string>(name: Name, value: State[Name]): void {
    let throttle = this.saving.get(name);
    if (!throttle) this.saving.set(name, (throttle = new Throttle(SAVE_MS)));
    throttle.run(() => {
      this.model.set(name, value);
      this.model.save_changes();
    });
  }

  /** Whether this view has a newer value of a trait than the model. */
  isSaving(name: keyof State): boolean {
    return this.saving.get(name)?.isWaiting ?? false;
  }

  sendPick(at: PointerAt): void {
    this.tell({ kind: 'pick', id: at.layer, voxel: at.voxel, direction: at.ray?.direction });
  }

  /** Send to the kernel, or say that there is none. */
  protected tell(content: object): void {
    if (!post(this.model, content)) this.onConnection();
  }

  private saveLevel(layer: Layer): void {
    if (layer === this.viewer.stage.first) this.save('level', layer.style.level as State['level']);
    else this.saveStyles();
    this.measure();
  }

  private saveStyles(): void {
    const styles = this.viewer.stage.layers.filter(layer => layer.isListed);
    const states = this.model.get('layers').map(state => {
      const style = styles.find(layer => layer.id === state.id)?.style;
      return { ...state, ...style };
    });
    this.save('layers', states as State['layers']);
  }

  /** Make the viewer's layers as the traits say, and ask for the volumes that are not here. */
  private onStyles(): void {
    if (this.isSaving('level') || this.isSaving('layers')) return;
    const { viewer } = this;
    const states = this.model.get('layers');
    const extra = viewer.stage.layers.filter(layer => !layer.isListed);
    const layers = states.map((state, index) => {
      const { scale: _scale, offset: _offset, ...style } = state;
      if (index === 0) style.level = this.model.get('level');
      const layer = viewer.stage.layer(state.id) ?? new Layer(style);
      layer.style = style;
      return layer;
    });
    viewer.setLayers([...layers, ...extra]);
    for (const layer of layers) {
      const ready = this.volumes.get(layer.id);
      if (ready && layer.volume !== ready) viewer.setVolume(layer.id, ready);
    }
    this.askForVolumes();
    this.measure();
  }

  private askForVolumes(): void {
    const missing = this.model.get('layers').map(state => state.id).filter(id => !this.volumes.has(id) && !this.asked.has(id));
    if (!missing.length) return;
    for (const id of missing) this.asked.add(id);
    this.viewer.say('Waiting for the map from the kernel…');
    this.beImpatient('No answer from the kernel yet. It is busy, or it was restarted: then run this cell again.');
    this.tell({ kind: 'need_volumes', ids: missing });
  }

  private beImpatient(words: string): void {
    clearTimeout(this.patience);
    this.patience = window.setTimeout(() => this.viewer.say(words), PATIENCE_MS);
  }

  private onAnswer(answer: Answer, buffers: DataView[]): void {
    const { viewer } = this;
    if (answer.kind === 'volume') {
      const { id, ...rest } = answer;
      const view = buffers[0];
      const shown: Shown = { ...rest, data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) };
      this.volumes.set(id, shown);
      this.asked.delete(id);
      viewer.setVolume(id, shown);
      if (!this.asked.size) {
        clearTimeout(this.patience);
        viewer.say('');
      }
      this.measure();
    } else if (answer.kind === 'values') {
      viewer.showValues(answer.voxel, this.sayValues(answer.values));
    } else if (answer.kind === 'mass') {
      viewer.levels.showMass(answer.id, answer.level, answer.kda);
    } else if (answer.kind === 'words') {
      clearTimeout(this.patience);
      viewer.say(answer.message);
    }
  }

  private sayValues(values: Record<string, number | null>): string {
    const told: string[] = [];
    for (const { style } of this.viewer.stage.layers) {
      const value = values[style.id];
      if (value === undefined || value === null) continue;
      const isFirst = style.id === this.viewer.stage.first?.id;
      if (style.kind === 'mask') told.push(`mask ${say(value, 2)}`);
      else told.push(`${isFirst ? 'density' : style.name} ${sayDensity(value)}`);
    }
    return told.join(', ');
  }

  /** Ask for the exact mass above the first map's level. */
  private measure(): void {
    const first = this.viewer.stage.first;
    if (!first?.volume || first.style.kind !== 'map') return;
    this.measuring.run(() => this.tell({ kind: 'measure', id: first.id, level: first.style.level }));
  }

  private onCursor(): void {
    const cursor = this.model.get('cursor');
    if (cursor.length !== 3 || this.isSaving('cursor') || String(cursor) === String(this.viewer.stage.cursor)) return;
    this.viewer.setCursor([...cursor] as Vec3);
  }

  private onConnection(): void {
    this.viewer.say(
      'The kernel behind this view has ended or was restarted. The pictures still work with what they have; values, picks and new maps need the cell to be run again.',
    );
    this.viewer.root.classList.add('locref-alone');
  }
}
