/** The anywidget front end of MapView: three linked slices of a map, mask outline, fulcrum. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import { PLANES, type Vec3, type Volume } from './geometry';
import { type Shared, SlicePanel, type Wishes } from './panel';
import css from './style.css';
import { onThemeChange, readTheme } from './theme';
import { sayDensity, sayPlace } from './words';

interface State {
  box_px: number;
  voxel_size_angstrom: number;
  name: string;
  has_mask: boolean;
  cursor: number[];
  fulcrum: number[];
}

type Answer =
  | { kind: 'volumes'; shape: Vec3; binning: number; low: number; high: number }
  | { kind: 'value'; voxel: Vec3; density: number; mask?: number };

const PATIENCE_MS = 8000;
const SAVE_MS = 100;
const PROBE_MS = 80;

/** The volumes came once per model; further views of the same widget share them. */
const received = new WeakMap<object, [Volume, Volume | null]>();

class MapView {
  readonly root = document.createElement('div');
  private readonly shared: Shared;
  private readonly panels: SlicePanel[];
  private readonly readOut = document.createElement('div');
  private readonly notice = document.createElement('div');
  private readonly keys: Array<() => void> = [];
  private readonly stopTheme: () => void;
  private saveTimer = 0;
  private probeTimer = 0;
  private patience = 0;
  private pointed: Vec3 | null = null;

  constructor(private readonly model: AnyModel<State>) {
    this.shared = {
      box: model.get('box_px'), voxelSize: model.get('voxel_size_angstrom'), cursor: [...model.get('cursor')] as Vec3,
      fulcrum: this.fulcrum(), density: null, mask: null, showMask: true, showFulcrum: true,
    };
    const wishes: Wishes = {
      moveTo: voxel => this.moveTo(voxel), pointAt: voxel => this.pointAt(voxel),
      home: () => this.shared.fulcrum && this.moveTo(this.shared.fulcrum.map(Math.round) as Vec3),
    };
    const theme = readTheme(document.body);
    this.panels = PLANES.map(plane => new SlicePanel(plane, this.shared, wishes, theme));
    this.build(wishes);
    this.stopTheme = onThemeChange(() => {
      const next = readTheme(this.root);
      for (const panel of this.panels) panel.setTheme(next);
      for (const paintKey of this.keys) paintKey();
    });
    model.on('msg:custom', this.onAnswer);
    model.on('change:cursor', this.onCursor);
    model.on('change:fulcrum', this.onFulcrum);
    this.load();
    this.draw();
  }

  dispose(): void {
    this.model.off('msg:custom', this.onAnswer);
    this.model.off('change:cursor', this.onCursor);
    this.model.off('change:fulcrum', this.onFulcrum);
    for (const timer of [this.saveTimer, this.probeTimer, this.patience]) clearTimeout(timer);
    for (const panel of this.panels) panel.dispose();
    this.stopTheme();
  }

  private build(wishes: Wishes): void {
    this.root.className = 'locref-map';
    // A key that reaches the notebook may delete the cell.
    this.root.addEventListener('keydown', event => event.stopPropagation());
    const style = document.createElement('style');
    style.textContent = css;
    const bar = document.createElement('div');
    bar.className = 'locref-bar';
    const title = document.createElement('b');
    title.textContent = this.model.get('name');
    const facts = document.createElement('span');
    const [box, size] = [this.shared.box, this.shared.voxelSize];
    facts.textContent = `${box}³ voxels of ${+size.toFixed(3)} Å`;
    facts.className = 'locref-hint';
    bar.append(title, facts);
    if (this.model.get('has_mask')) {
      bar.append(this.checkbox('Mask outline', 'mask', on => (this.shared.showMask = on)));
    }
    if (this.shared.fulcrum) {
      bar.append(this.checkbox('Fulcrum', 'fulcrum', on => (this.shared.showFulcrum = on)));
      const button = document.createElement('button');
      button.textContent = 'Go to fulcrum';
      button.title = 'Bring all three slices to the fulcrum (Home)';
      button.addEventListener('click', () => wishes.home());
      bar.append(button);
    }
    const slices = document.createElement('div');
    slices.className = 'locref-slices';
    slices.append(...this.panels.map(panel => panel.element));
    this.notice.className = 'locref-wait';
    this.notice.setAttribute('role', 'status');
    this.readOut.className = 'locref-read-out';
    this.root.append(style, bar, this.notice, slices, this.readOut);
    this.sayPosition();
  }

  private checkbox(words: string, colour: 'mask' | 'fulcrum', set: (on: boolean) => void): HTMLElement {
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = true;
    label.title = `Show or hide the ${words.toLowerCase()}`;
    const key = document.createElement('span');
    key.className = 'locref-key';
    const paintKey = () => (key.style.borderColor = readTheme(document.body)[colour]);
    this.keys.push(paintKey);
    paintKey();
    box.addEventListener('change', () => {
      set(box.checked);
      this.draw();
    });
    label.append(box, key, words);
    return label;
  }

  private load(): void {
    const ready = received.get(this.model);
    if (ready) {
      [this.shared.density, this.shared.mask] = ready;
      this.notice.hidden = true;
      return;
    }
    this.notice.textContent = 'Waiting for the map from the kernel…';
    this.patience = window.setTimeout(() => {
      this.notice.textContent = 'No answer from the kernel yet. It is busy, or it was restarted: then run this cell again.';
    }, PATIENCE_MS);
    this.model.send({ kind: 'need_volumes' });
  }

  private readonly onAnswer = (answer: Answer, buffers: DataView[]): void => {
    if (answer.kind === 'volumes') {
      const shape = [...answer.shape].reverse() as Vec3; // NumPy names z first
      const volumes = buffers.map(view => ({
        data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength), shape, binning: answer.binning,
      }));
      clearTimeout(this.patience);
      received.set(this.model, [volumes[0], volumes[1] ?? null]);
      [this.shared.density, this.shared.mask] = [volumes[0], volumes[1] ?? null];
      this.notice.hidden = true;
      this.draw();
    } else if (answer.kind === 'value' && String(answer.voxel) === String(this.pointed ?? this.shared.cursor)) {
      this.sayPosition(sayDensity(answer.density, answer.mask));
    }
  };

  private readonly onCursor = (): void => {
    const cursor = this.model.get('cursor');
    if (cursor.length !== 3 || String(cursor) === String(this.shared.cursor) || this.saveTimer) return;
    this.shared.cursor = [...cursor] as Vec3;
    this.sayPosition();
    this.draw();
  };

  private readonly onFulcrum = (): void => {
    this.shared.fulcrum = this.fulcrum();
    this.draw();
  };

  private fulcrum(): Vec3 | null {
    const point = this.model.get('fulcrum');
    return point.length === 3 ? ([...point] as Vec3) : null;
  }

  private moveTo(voxel: Vec3): void {
    if (String(voxel) === String(this.shared.cursor)) return;
    this.shared.cursor = voxel;
    this.sayPosition();
    this.draw();
    this.saveTimer ||= window.setTimeout(() => {
      this.saveTimer = 0;
      this.model.set('cursor', [...this.shared.cursor]);
      this.model.save_changes();
    }, SAVE_MS);
  }

  private pointAt(voxel: Vec3 | null): void {
    this.pointed = voxel;
    this.sayPosition();
    clearTimeout(this.probeTimer);
    if (!voxel) return;
    this.probeTimer = window.setTimeout(() => this.model.send({ kind: 'probe', voxel }), PROBE_MS);
  }

  private sayPosition(density = ''): void {
    const { cursor, fulcrum, box, voxelSize } = this.shared;
    const line = (name: string, text: string) => {
      const row = document.createElement('div');
      const label = document.createElement('b');
      label.textContent = `${name} `;
      row.append(label, text);
      return row;
    };
    const place = sayPlace(this.pointed ?? cursor, box, voxelSize);
    const rows = [line(this.pointed ? 'Pointer' : 'Slices', place + (density && ` · ${density}`))];
    if (fulcrum) rows.push(line('Fulcrum', sayPlace(fulcrum, box, voxelSize)));
    const hint = document.createElement('div');
    hint.className = 'locref-hint';
    hint.textContent = 'Click a slice to move the other two there, then use the wheel or ↑ ↓ to leaf through it.';
    this.readOut.replaceChildren(...rows, hint);
  }

  private draw(): void {
    for (const panel of this.panels) panel.draw();
  }
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const view = new MapView(model);
    el.append(view.root);
    return () => view.dispose();
  },
};
