/** The controls of the fulcrum picker: its place in both units, quick choices, extents and preview. */
import { button, element, numberInput, show, slider } from './dom';
import { AXES, type Grid, type Vec3, fromAngstrom, toAngstrom } from './geometry';
import { AXIS_WORDS, type AxisName, type Region, saySwing } from './swing';
import { say } from './words';

export interface Choice {
  id: string;
  label: string;
  tip: string;
  /** Why it cannot be chosen; empty: it can. */
  reason: string;
}

export interface PanelWishes {
  place(voxel: Vec3, how: string): void;
  choose(id: string): void;
  useRun(path: string): void;
  setExtents(rotationRad: number, shiftPx: number): void;
  previewChanged(): void;
  setPlacing(on: boolean): void;
}

const DEGREE = Math.PI / 180;
const PLAY_SECONDS = 4;

export class FulcrumPanel {
  readonly element = element('section', 'locref-fulcrum');
  /** Degrees of the preview. */
  angle = 0;
  axis: AxisName = 'swing';
  private readonly voxels: HTMLInputElement[] = [];
  private readonly angstroms: HTMLInputElement[] = [];
  private readonly choices = element('div', 'locref-row');
  private readonly found = element('div');
  private readonly fault = element('div', 'locref-wait');
  private readonly run: HTMLInputElement;
  private readonly extent: ReturnType<typeof numberInput>;
  private readonly shift: ReturnType<typeof numberInput>;
  private readonly radians = element('span', 'locref-hint');
  private readonly shiftAngstrom = element('span', 'locref-hint');
  private readonly turn: HTMLInputElement;
  private readonly turnWords = element('span', 'locref-angle');
  private readonly sentence = element('div', 'locref-sentence');
  private readonly playing: HTMLButtonElement;
  private fulcrum: Vec3 = [0, 0, 0];
  private rotationRad = 0;
  private shiftPx = 0;
  private timer = 0;

  /** `swingSwitch` shows or hides the turned region; null: there is no mask, so there is no region. */
  constructor(private readonly grid: Grid, swingSwitch: HTMLElement | null, private readonly wishes: PanelWishes) {
    this.run = element('input');
    Object.assign(this.run, { type: 'text', placeholder: 'runs/a', title: 'Folder of an earlier run on this map, whose pose changes tell of a hinge' });
    this.run.setAttribute('aria-label', 'folder of an earlier run');
    this.fault.setAttribute('role', 'alert');
    this.fault.hidden = true;
    this.found.setAttribute('role', 'status');
    const useRun = button('Use its fit', 'Take the fulcrum that the earlier run’s pose changes speak for', () => wishes.useRun(this.run.value));
    this.run.addEventListener('keydown', event => event.key === 'Enter' && wishes.useRun(this.run.value));
    const place = element('div', 'locref-place', [
      element('div', 'locref-row', [element('b', '', ['Fulcrum']), this.placing()]),
      this.triple('Voxels from the corner', this.voxels, 'voxels'),
      this.triple('Å from the centre', this.angstroms, 'Å'),
      this.choices, element('label', 'locref-row locref-run', [element('span', '', ['Earlier run']), this.run, useRun]), this.fault, this.found,
    ]);
    this.extent = numberInput('Rotation extent', 'Largest rotation searched, in every direction about the pose given', '°', degrees => this.setExtents(degrees * DEGREE, this.shiftPx));
    this.shift = numberInput('Shift extent', 'Diameter of the disc of shifts searched about the pose given', 'px', px => this.setExtents(this.rotationRad, px));
    this.turn = slider('angle of the preview', 'How far the region is turned in the preview, degrees', -20, 20, 0.5, degrees => {
      this.stop();
      this.setAngle(degrees);
    });
    this.playing = button('Play', 'Swing the region to and fro', () => (this.timer ? this.stop() : this.play()));
    const axis = element('select');
    axis.setAttribute('aria-label', 'axis of the preview');
    axis.title = 'About which axis through the fulcrum the region is turned in the preview';
    axis.append(...Object.entries(AXIS_WORDS).map(([id, words]) => new Option(words, id)));
    axis.addEventListener('change', () => {
      this.axis = axis.value as AxisName;
      wishes.previewChanged();
    });
    this.element.append(place);
    if (!swingSwitch) return;
    this.element.append(element('div', 'locref-swing', [
      element('div', 'locref-row', [element('b', '', ['What the extents mean here']), swingSwitch]),
      element('div', 'locref-row', [
        element('span', 'locref-pair', [this.extent.label, this.radians]), element('span', 'locref-pair', [this.shift.label, this.shiftAngstrom]),
      ]),
      element('div', 'locref-row locref-turn', [this.playing, this.turn, this.turnWords, axis]),
      this.sentence,
    ]));
  }

  dispose(): void {
    this.stop();
  }

  setChoices(choices: readonly Choice[]): void {
    this.choices.replaceChildren(...choices.map(({ id, label, tip, reason }) => {
      const made = button(label, reason || tip, () => this.wishes.choose(id));
      made.disabled = reason !== '';
      return made;
    }));
  }

  setRun(path: string): void {
    show(this.run, path);
  }

  /** How the point was found, or what is wrong with it. */
  setWords(found: string, fault: string): void {
    this.found.textContent = found;
    this.fault.textContent = fault;
    this.fault.hidden = fault === '';
  }

  update(fulcrum: Vec3, rotationRad: number, shiftPx: number, region: Region | null): void {
    const { grid } = this;
    if (rotationRad !== this.rotationRad) {
      const degrees = rotationRad / DEGREE;
      Object.assign(this.turn, { min: String(-degrees), max: String(degrees), step: String(degrees / 40) });
      // The whole extent, or the same share of it as before.
      this.angle = this.rotationRad ? (this.angle / this.rotationRad) * rotationRad : degrees;
    }
    [this.fulcrum, this.rotationRad, this.shiftPx] = [fulcrum, rotationRad, shiftPx];
    for (let axis = 0; axis < 3; axis++) {
      show(this.voxels[axis], String(+fulcrum[axis].toFixed(2)));
      show(this.angstroms[axis], String(+toAngstrom(fulcrum[axis], grid.shape[axis], grid.voxelSize).toFixed(2)));
    }
    show(this.extent.input, String(+(rotationRad / DEGREE).toFixed(1)));
    show(this.shift.input, String(+shiftPx.toFixed(2)));
    this.radians.textContent = `= ${rotationRad.toFixed(3)} rad`;
    this.shiftAngstrom.textContent = `= ${say(shiftPx * grid.voxelSize)} Å`;
    this.turn.value = String(this.angle);
    this.turnWords.textContent = `${this.angle > 0 ? '+' : ''}${say(this.angle)}°`;
    if (region) this.sentence.replaceChildren(...saySwing(region, fulcrum, rotationRad, shiftPx, grid).map(words => element('div', '', [words])));
  }

  private placing(): HTMLElement {
    const look = button('Look around', 'Presses on slices move only the slices; the marker can still be dragged', () => set(false));
    const place = button('Place', 'A press on a slice or a click on the surface puts the fulcrum there; drag its marker to move it (in the surface picture with Shift: nearer or farther); f: where the slices meet', () => set(true));
    const set = (on: boolean) => {
      place.setAttribute('aria-pressed', String(on));
      look.setAttribute('aria-pressed', String(!on));
      this.wishes.setPlacing(on);
    };
    place.setAttribute('aria-pressed', 'true');
    look.setAttribute('aria-pressed', 'false');
    const group = element('span', 'locref-modes', [place, look]);
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', 'what a press on a picture does');
    return group;
  }

  private triple(legend: string, into: HTMLInputElement[], unit: string): HTMLElement {
    const { grid } = this;
    const fields = AXES.map((name, axis) => {
      const { label, input } = numberInput(name, `Fulcrum along ${name}, ${legend}`, '', value => {
        const voxel: Vec3 = [...this.fulcrum];
        voxel[axis] = unit === 'Å' ? fromAngstrom(value, grid.shape[axis], grid.voxelSize) : value;
        const last = grid.shape[axis] - 1;
        if (voxel[axis] < -0.5 || voxel[axis] > last + 0.5) {
          const range = unit === 'Å' ? [0, last].map(end => say(toAngstrom(end, grid.shape[axis], grid.voxelSize))) : ['0', String(last)];
          this.setWords(this.found.textContent ?? '', `${name} = ${value} ${unit} lies outside the box; give ${range[0]} to ${range[1]} ${unit}.`);
        } else this.wishes.place(voxel, `typed in ${unit}`);
      });
      input.setAttribute('aria-label', `fulcrum ${name}, ${legend}`);
      into.push(input);
      return label;
    });
    const group = element('div', 'locref-triple', [element('span', '', [legend]), ...fields]);
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', `fulcrum in ${legend}`);
    return group;
  }

  private setExtents(rotationRad: number, shiftPx: number): void {
    if (!(rotationRad > 0 && rotationRad <= Math.PI)) return this.setWords(this.found.textContent ?? '', 'The rotation extent must be over 0 and at most 180°.');
    if (!(shiftPx > 0)) return this.setWords(this.found.textContent ?? '', 'The shift extent must be over 0 px.');
    this.setWords(this.found.textContent ?? '', '');
    this.wishes.setExtents(rotationRad, shiftPx);
  }

  private setAngle(degrees: number): void {
    this.angle = degrees;
    this.turn.value = String(degrees);
    this.turnWords.textContent = `${degrees > 0 ? '+' : ''}${say(degrees)}°`;
    this.wishes.previewChanged();
  }

  private play(): void {
    this.playing.textContent = 'Stop';
    this.playing.setAttribute('aria-pressed', 'true');
    const began = performance.now();
    const step = () => {
      const phase = ((performance.now() - began) / 1000 / PLAY_SECONDS) * 2 * Math.PI;
      this.setAngle((this.rotationRad / DEGREE) * Math.sin(phase));
      this.timer = requestAnimationFrame(step);
    };
    this.timer = requestAnimationFrame(step);
  }

  stop(): void {
    if (!this.timer) return;
    cancelAnimationFrame(this.timer);
    this.timer = 0;
    this.playing.textContent = 'Play';
    this.playing.removeAttribute('aria-pressed');
  }
}
