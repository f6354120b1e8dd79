/** One row for each map and mask: shown or not, colour, opacity. */
import { checkbox, element, slider } from './dom';
import type { Layer } from './layers';
import type { Stage } from './stage';

interface Row {
  root: HTMLElement;
  box: HTMLInputElement;
  colour: HTMLInputElement;
  opacity: HTMLInputElement;
  percent: HTMLElement;
}

export class LayerList {
  readonly element = element('section', 'locref-layers');
  private readonly rows = new Map<string, Row>();

  constructor(private readonly stage: Stage, private readonly changed: (layer: Layer) => void) {
    this.element.setAttribute('aria-label', 'maps and masks shown');
  }

  draw(): void {
    const layers = this.stage.layers.filter(layer => layer.isListed);
    const ids = layers.map(layer => layer.id);
    if (String([...this.rows.keys()]) !== String(ids)) {
      this.rows.clear();
      this.element.replaceChildren(...layers.map(layer => this.make(layer)));
    }
    for (const layer of layers) {
      const row = this.rows.get(layer.id)!;
      row.box.checked = layer.style.visible;
      row.colour.value = layer.colour(this.stage.theme);
      row.opacity.value = String(layer.style.opacity);
      row.percent.textContent = `${Math.round(100 * layer.style.opacity)} %`;
      row.root.classList.toggle('locref-off', !layer.style.visible);
    }
  }

  private make(layer: Layer): HTMLElement {
    const { style } = layer;
    const set = (changes: Partial<typeof style>) => {
      const current = this.stage.layer(style.id);
      if (!current) return;
      current.style = { ...current.style, ...changes };
      this.changed(current);
    };
    const what = style.kind === 'mask' ? 'mask' : 'map';
    const { label, input: box } = checkbox(style.name, `Show or hide the ${what} ${style.name} in slices and surface`, style.visible, visible => set({ visible }));
    const colour = element('input');
    Object.assign(colour, { type: 'color', title: `Colour of ${style.name}` });
    colour.setAttribute('aria-label', `colour of ${style.name}`);
    colour.addEventListener('input', () => set({ colour: colour.value }));
    const opacity = slider(`opacity of ${style.name}`, `Opacity of the surface of ${style.name}, from clear to solid`, 0, 1, 0.05, value => set({ opacity: value }));
    const percent = element('span', 'locref-hint');
    const root = element('div', 'locref-layer', [colour, label, element('span', 'locref-hint', ['Opacity']), opacity, percent]);
    this.rows.set(style.id, { root, box, colour, opacity, percent });
    return root;
  }
}
