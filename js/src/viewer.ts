/**
 * The viewer: three linked slices and a surface of one grid's maps and masks.
 *
 * It knows neither Jupyter nor a kernel. Whoever makes one gives it layers (`setLayers`, `setVolume`),
 * may give it a pointer tool (`setTool`), puts own controls into `bar`, `side` or `below`, and
 * hears through `Host` what the user did. Places are voxels of the grid, `[x, y, z]` from the corner.
 */
import { button, checkbox, element } from './dom';
import { savePng } from './export_png';
import { type Grid, PLANES, type Vec3, clamp, middle, wholeVoxel } from './geometry';
import { type Layer, type Shown } from './layers';
import { LayerList } from './layer_list';
import { LevelControl } from './level_control';
import type { Picture } from './picture';
import { SlicePanel } from './slice_panel';
import { Stage, type Wishes } from './stage';
import css from './style.css';
import { SurfacePanel } from './surface_panel';
import { onThemeChange, readTheme } from './theme';
import type { PointerAt, PointerTool } from './tools';
import { sayGrid, sayPlace } from './words';

const LARGEST_ZOOM = 40;

/** What the user did; all optional. */
export interface Host {
  cursorMoved?(voxel: Vec3): void;
  /** A new contour level, from slider, number or histogram. */
  levelChanged?(layer: Layer): void;
  /** Visibility, colour or opacity. */
  styleChanged?(layer: Layer): void;
  /** A mass was typed for which a level is wanted; answer by a new level. */
  massWanted?(layer: Layer, kda: number): void;
  /** The pointer is over this voxel (or none); exact values may be told by `showValues`. */
  pointed?(voxel: Vec3 | null): void;
  /** A click that no tool took met a surface. */
  picked?(at: PointerAt): void;
}

export class Viewer {
  readonly root = element('div', 'locref-map');
  /** Above the pictures: title and switches. */
  readonly bar = element('div', 'locref-bar');
  /** In the grid of pictures, its last cell. */
  readonly side = element('div', 'locref-side');
  /** Under the pictures. */
  readonly below = element('div', 'locref-below');
  readonly stage: Stage;
  readonly surface: SurfacePanel;
  readonly slices: SlicePanel[];
  readonly levels: LevelControl;
  readonly wishes: Wishes;
  private readonly pictures: Picture[];
  private readonly list: LayerList;
  private readonly notice = element('div', 'locref-wait');
  private readonly readOut = element('div', 'locref-read-out');
  private readonly hint = element('div', 'locref-hint');
  private readonly keys: Array<() => void> = [];
  private readonly stopTheme: () => void;
  private pointed: Vec3 | null = null;
  private values = '';
  private frame = 0;
  /** Called after everything has been drawn. */
  onDrawn: () => void = () => {};

  constructor(grid: Grid, readonly title: string, private readonly host: Host) {
    this.stage = new Stage(grid);
    this.wishes = {
      moveTo: voxel => this.moveTo(voxel), pointAt: at => this.pointAt(at), pick: at => this.pick(at), home: () => this.home(),
      zoomTo: (zoom, about) => this.zoomTo(zoom, about), panBy: by => this.panBy(by), draw: () => this.draw(),
    };
    this.surface = new SurfacePanel(this.stage, this.wishes);
    this.slices = PLANES.map(plane => new SlicePanel(plane, this.stage, this.wishes));
    this.pictures = [this.surface, ...this.slices];
    this.levels = new LevelControl(this.stage, {
      setLevel: (layer, level) => {
        layer.style = { ...layer.style, level };
        this.draw();
        this.host.levelChanged?.(layer);
      },
      setMass: (layer, kda) => this.host.massWanted?.(layer, kda),
    });
    this.list = new LayerList(this.stage, layer => {
      this.draw();
      this.host.styleChanged?.(layer);
    });
    this.build();
    this.stopTheme = onThemeChange(() => {
      this.stage.theme = readTheme(this.root);
      for (const paintKey of this.keys) paintKey();
      this.draw();
    });
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    for (const picture of this.pictures) picture.dispose();
    this.levels.dispose();
    this.stopTheme();
  }

  /** Replace the layers; volumes of layers that stay are kept. */
  setLayers(layers: Layer[]): void {
    const gone = this.stage.layers.filter(layer => !layers.includes(layer));
    this.stage.layers = layers;
    for (const layer of gone) this.surface.forget(layer);
    this.draw();
  }

  /** Give a volume to every layer that shows it. */
  setVolume(volumeId: string, shown: Shown): void {
    const layers = this.stage.layers.filter(layer => layer.volumeId === volumeId);
    const version = 1 + Math.max(0, ...layers.map(layer => layer.version));
    for (const layer of layers) [layer.volume, layer.version] = [shown, version];
    if (layers.length) this.surface.setVolume(layers[0]);
    this.draw();
  }

  /** Tell that a box of a volume's own data was changed in place: `size` voxels from `low`. */
  regionChanged(volumeId: string, low: Vec3, size: Vec3): void {
    const layers = this.stage.layers.filter(layer => layer.volumeId === volumeId && layer.volume);
    if (!layers.length) return;
    const version = 1 + Math.max(...layers.map(layer => layer.version));
    for (const layer of layers) layer.version = version;
    this.surface.setRegion(layers[0], low, size);
    this.draw();
  }

  setTool(tool: PointerTool): void {
    this.stage.tool = tool;
    this.draw();
  }

  /** The line for hints under the pictures. */
  setHint(words: string): void {
    this.hint.textContent = words;
  }

  /** Say something in words above the pictures; empty: nothing is wrong. */
  say(words: string): void {
    this.notice.textContent = words;
    this.notice.hidden = words === '';
  }

  /** Exact values at the place that was pointed at last. */
  showValues(voxel: ArrayLike<number>, words: string): void {
    if (String(Array.from(voxel)) !== String(this.pointed ?? this.stage.cursor)) return;
    this.values = words;
    this.sayPosition();
  }

  setFulcrum(fulcrum: Vec3 | null): void {
    this.stage.fulcrum = fulcrum;
    this.sayPosition();
    this.draw();
  }

  setCursor(voxel: Vec3): void {
    this.stage.cursor = voxel;
    this.values = '';
    this.keepInSight(voxel);
    this.sayPosition();
    this.draw();
  }

  /** Draw in the next frame; many calls draw once. */
  draw(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      for (const picture of this.pictures) picture.paint();
      this.levels.draw();
      this.list.draw();
      this.onDrawn();
    });
  }

  /** Give one picture the large place. */
  enlarge(picture: Picture): void {
    for (const other of this.pictures) other.element.classList.toggle('locref-large', other === picture);
  }

  /** A switch in the bar with a coloured key, which follows the theme. */
  addSwitch(words: string, colour: 'mask' | 'fulcrum' | 'swing', set: (on: boolean) => void): HTMLElement {
    const key = element('span', 'locref-key');
    const paintKey = () => (key.style.borderColor = this.stage.theme[colour]);
    this.keys.push(paintKey);
    paintKey();
    const made = checkbox(words, `Show or hide the ${words.toLowerCase()}`, true, on => {
      set(on);
      this.draw();
    }, key);
    return made.label;
  }

  /** The switch and the button of a viewer that shows a fulcrum. */
  addFulcrumControls(): void {
    this.bar.insertBefore(this.addSwitch('Fulcrum', 'fulcrum', on => (this.stage.showFulcrum = on)), this.bar.lastElementChild);
    this.bar.insertBefore(button('Go to fulcrum', 'Bring all three slices to the fulcrum (Home)', () => this.home()), this.bar.lastElementChild);
  }

  private build(): void {
    const { root, stage } = this;
    // A key that reaches the notebook may delete the cell.
    root.addEventListener('keydown', event => event.stopPropagation());
    const picture = button('Save picture', 'Save all four pictures as one PNG file', () => void savePng(this.root, this.pictures, stage.theme, this.title));
    const full = button('Full screen', 'Fill the screen with this view; Esc leaves', () => {
      if (document.fullscreenElement === root) void document.exitFullscreen();
      else root.requestFullscreen().catch(error => this.say(`The browser does not allow full screen here: ${error.message}`));
    });
    root.addEventListener('fullscreenchange', () => {
      full.textContent = document.fullscreenElement === root ? 'Leave full screen' : 'Full screen';
    });
    this.bar.append(
      element('b', '', [this.title]), element('span', 'locref-hint', [sayGrid(stage.grid)]),
      element('span', 'locref-buttons', [picture, full]),
    );
    for (const shown of this.pictures) {
      const name = shown.element.dataset.view === '3d' ? 'the surface' : `the ${shown.element.dataset.view} plane`;
      const enlarge = button('', `Give ${name} the large place`, () => this.enlarge(shown));
      enlarge.className = 'locref-enlarge';
      enlarge.setAttribute('aria-label', `enlarge ${name}`);
      shown.heading.append(enlarge);
      shown.heading.addEventListener('dblclick', () => this.enlarge(shown));
    }
    this.side.append(this.levels.element);
    const pictures = element('div', 'locref-slices', [...this.pictures.map(shown => shown.element), this.side]);
    this.enlarge(this.surface);
    this.notice.setAttribute('role', 'status');
    this.notice.hidden = true;
    this.setHint('Click a slice or the surface to bring the slices there. Wheel or ↑ ↓ leaf, + − zoom, 0 shows all; every picture tells its keys when you rest on it.');
    this.below.append(this.list.element, element('div', 'locref-words', [this.readOut, this.hint]));
    const style = element('style', '', [css]);
    root.append(style, this.bar, this.notice, pictures, this.below);
    this.sayPosition();
  }

  private moveTo(voxel: Vec3): void {
    if (String(voxel) === String(this.stage.cursor)) return;
    this.setCursor(voxel);
    this.host.cursorMoved?.(voxel);
  }

  private pointAt(at: PointerAt | null): void {
    this.pointed = at?.voxel ? wholeVoxel(at.voxel, this.stage.grid) : null;
    this.values = '';
    this.sayPosition();
    this.host.pointed?.(this.pointed);
  }

  private pick(at: PointerAt): void {
    this.moveTo(wholeVoxel(at.voxel!, this.stage.grid));
    this.host.picked?.(at);
  }

  private home(): void {
    if (this.stage.fulcrum) this.moveTo(wholeVoxel(this.stage.fulcrum, this.stage.grid));
  }

  private zoomTo(zoom: number, about?: Vec3): void {
    const { stage } = this;
    const before = stage.zoom;
    stage.zoom = clamp(zoom, 1, LARGEST_ZOOM);
    if (stage.zoom === 1) stage.centre = middle(stage.grid);
    else if (about) stage.centre = stage.centre.map((value, axis) => about[axis] + ((value - about[axis]) * before) / stage.zoom) as Vec3;
    this.draw();
  }

  private panBy(by: Vec3): void {
    const { stage } = this;
    stage.centre = stage.centre.map((value, axis) => clamp(value + by[axis], 0, stage.grid.shape[axis] - 1)) as Vec3;
    this.draw();
  }

  /** Slices that show only a part of the box follow the cross-hair. */
  private keepInSight(voxel: Vec3): void {
    const { stage } = this;
    if (stage.zoom === 1) return;
    const half = stage.grid.shape.map(size => size / (2 * stage.zoom));
    stage.centre = stage.centre.map((value, axis) => clamp(value, voxel[axis] - half[axis], voxel[axis] + half[axis])) as Vec3;
  }

  private sayPosition(): void {
    const { cursor, fulcrum, grid } = this.stage;
    const line = (name: string, text: string) => element('div', '', [element('b', '', [`${name} `]), text]);
    const place = sayPlace(this.pointed ?? cursor, grid);
    const rows = [line(this.pointed ? 'Pointer' : 'Slices', place + (this.values && ` · ${this.values}`))];
    if (fulcrum) rows.push(line('Fulcrum', sayPlace(fulcrum, grid)));
    this.readOut.replaceChildren(...rows);
  }
}
