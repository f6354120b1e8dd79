/** The studio's own row of controls: tools, brush, eraser, undo; it follows the studio's state. */
import { button, checkbox, element, numberInput, show, slider } from './dom';
import { SMALLEST_RADIUS, type ToolName } from './studio_tools';
import { sayLevel } from './words';

const NAMES: ReadonlyArray<[ToolName, string, string]> = [
  ['look', 'Look', 'Turn, leaf, move the cross-hair (1)'],
  ['paint', 'Paint', 'Brush: add spheres to the mask; with Shift take away (2)'],
  ['remove', 'Paint out', 'Brush: take spheres out of the mask; with Shift add (3)'],
  ['eraser', 'Eraser', 'Place a sphere, then erase inside or outside of it (4)'],
  ['regions', 'Regions', 'Click regions to choose them; drag over several to merge, Alt-click to split (5)'],
];

export interface BarState {
  tool: ToolName;
  radius: number;
  largest: number;
  voxelSize: number;
  gated: boolean;
  level: number;
  hasMask: boolean;
  hasEraser: boolean;
  previewing: string;
  undoWords: string;
  redoWords: string;
}

export interface BarWishes {
  setTool(tool: ToolName): void;
  setRadius(radius: number): void;
  setGated(gated: boolean): void;
  setTint(on: boolean): void;
  erase(outside: boolean): void;
  undo(): void;
  redo(): void;
}

/** What a newcomer does next, where a tool has no settings. */
function beginning({ tool, hasMask }: BarState): string {
  if (tool === 'regions') return 'Segment the map below, then click the regions that belong to the mask.';
  return hasMask ? 'Paint corrects the mask by hand; the panels below shape, check and save it.' : 'No mask yet: paint one, or begin below with a threshold, with regions or with a model.';
}

export class StudioBar {
  readonly element = element('div', 'locref-studio-bar');
  private readonly tools = new Map<ToolName, HTMLButtonElement>();
  private readonly radius: HTMLInputElement;
  private readonly number: ReturnType<typeof numberInput>;
  private readonly angstrom = element('span', 'locref-hint locref-fixed');
  private readonly gate: ReturnType<typeof checkbox>;
  private readonly inside: HTMLButtonElement;
  private readonly outside: HTMLButtonElement;
  private readonly undo: HTMLButtonElement;
  private readonly redo: HTMLButtonElement;
  private readonly preview = element('span', 'locref-preview');
  /** Shown only for the tools that they belong to. */
  private readonly brush: HTMLElement;
  private readonly sphere: HTMLElement;
  private readonly eraser: HTMLElement;
  private readonly words = element('span', 'locref-hint');

  constructor(wishes: BarWishes) {
    const group = element('div', 'locref-toolset');
    group.setAttribute('role', 'radiogroup');
    group.setAttribute('aria-label', 'tool of the pointer');
    for (const [tool, words, tip] of NAMES) {
      const made = button(words, tip, () => wishes.setTool(tool));
      made.setAttribute('role', 'radio');
      this.tools.set(tool, made);
      group.append(made);
    }
    group.addEventListener('keydown', event => this.step(event, wishes));
    this.radius = slider('radius of brush and eraser, voxels', 'Radius of brush and eraser, voxels (Shift wheel, or [ and ])', SMALLEST_RADIUS, 40, 0.5, value => wishes.setRadius(value));
    this.number = numberInput('Radius', 'Radius of brush and eraser, voxels (Shift wheel, or [ and ])', 'voxels', value => wishes.setRadius(value));
    this.gate = checkbox('', 'The brush touches only voxels where the map as it was read reaches the contour level (I)', true, on => wishes.setGated(on));
    const tint = checkbox('Tint slices', 'Show the mask as a veil over the slices; soft edges fade', true, on => wishes.setTint(on));
    this.inside = button('Erase inside', 'Set the mask to 0 inside the sphere', () => wishes.erase(false));
    this.outside = button('Erase outside', 'Set the mask to 0 outside of the sphere', () => wishes.erase(true));
    this.undo = button('↶ Undo', '', () => wishes.undo());
    this.redo = button('↷ Redo', '', () => wishes.redo());
    this.preview.setAttribute('role', 'status');
    this.sphere = element('div', 'locref-set', [this.number.label, this.radius, this.angstrom]);
    this.brush = element('div', 'locref-set', [this.gate.label]);
    this.eraser = element('div', 'locref-set', [this.inside, this.outside]);
    this.element.append(
      element('div', 'locref-studio-row', [group, this.preview, element('div', 'locref-set locref-history', [this.undo, this.redo])]),
      element('div', 'locref-studio-row', [this.sphere, this.brush, this.eraser, this.words, element('div', 'locref-set locref-tint', [tint.label])]),
    );
  }

  draw(state: BarState): void {
    for (const [tool, made] of this.tools) {
      const on = tool === state.tool;
      made.setAttribute('aria-checked', String(on));
      made.tabIndex = on ? 0 : -1;
    }
    const brush = state.tool === 'paint' || state.tool === 'remove';
    const sphere = brush || state.tool === 'eraser';
    this.sphere.hidden = !sphere;
    this.brush.hidden = !brush;
    this.eraser.hidden = state.tool !== 'eraser';
    this.words.hidden = sphere;
    this.words.textContent = beginning(state);
    this.radius.max = String(state.largest);
    this.radius.value = String(state.radius);
    this.radius.setAttribute('aria-valuetext', `${state.radius} voxels`);
    show(this.number.input, String(state.radius));
    this.angstrom.textContent = `= ${(state.radius * state.voxelSize).toFixed(1)} Å`;
    this.gate.input.checked = state.gated;
    this.gate.label.lastElementChild!.textContent = `Only density ≥ ${sayLevel(state.level)}`;
    for (const made of [this.inside, this.outside]) made.disabled = !state.hasEraser;
    this.undo.disabled = !state.undoWords;
    this.undo.title = state.undoWords ? `Undo: ${state.undoWords} (Ctrl Z)` : 'There is nothing to undo';
    this.redo.disabled = !state.redoWords;
    this.redo.title = state.redoWords ? `Redo: ${state.redoWords} (Ctrl Shift Z)` : 'There is nothing to do again';
    this.preview.textContent = state.previewing && `Preview: ${state.previewing}`;
    this.preview.title = state.previewing;
  }

  private step(event: KeyboardEvent, wishes: BarWishes): void {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const names = NAMES.map(([tool]) => tool);
    const now = names.findIndex(tool => this.tools.get(tool)!.tabIndex === 0);
    const next = names[(now + by + names.length) % names.length];
    wishes.setTool(next);
    this.tools.get(next)!.focus();
    event.preventDefault();
  }
}
