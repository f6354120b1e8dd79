/** The table of regions: tick to choose, click the colour to hide, click the number to go there. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import { element } from './dom';
import { regionCss } from './palette';
import { post } from './post';
import css from './region_table.css';

interface Row {
  id: number;
  rank: number;
  voxels: number;
  kda: number;
  contacts: number;
  leaves: number;
  chosen: boolean;
  hidden: boolean;
}

interface State {
  rows: Row[];
  left_out: number;
}

const HEADS: ReadonlyArray<[string, string]> = [
  ['Mask', 'Whether the region is taken into the preview of the mask'],
  ['Colour', 'Whether its colour is shown; a hidden region cannot be clicked'],
  ['Region', 'Click to bring the slices to its highest voxel'],
  ['Voxels', 'Number of voxels'],
  ['Mass', 'Mass of protein that fills it, kDa at 0.81 Da per Å³'],
  ['Contacts', 'Pairs of voxels that touch other regions'],
  ['Parts', 'Watershed regions that it is made of'],
];

class Table {
  readonly root = element('div', 'locref-region-table');
  private readonly body = element('tbody');
  private readonly table: HTMLTableElement;
  private readonly rest = element('div', 'locref-hint');

  constructor(private readonly model: AnyModel<State>) {
    const heads = HEADS.map(([words, tip]) => {
      const head = element('th', '', [words]);
      head.title = tip;
      head.scope = 'col';
      return head;
    });
    this.table = element('table', '', [element('thead', '', [element('tr', '', heads)]), this.body]);
    this.table.setAttribute('aria-label', 'Regions, the largest first');
    this.root.append(element('style', '', [css]), this.table, this.rest);
    this.root.addEventListener('keydown', event => event.stopPropagation());
    this.draw();
  }

  readonly draw = (): void => {
    const rows = this.model.get('rows');
    const focused = document.activeElement?.getAttribute('data-key');
    this.table.hidden = !rows.length;
    this.body.replaceChildren(...rows.map(row => this.row(row)));
    if (focused && this.root.isConnected) this.body.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
    const left = this.model.get('left_out');
    this.rest.textContent = left ? `${left} smaller regions are not listed; they can be clicked in the pictures.` : '';
  };

  private row(row: Row): HTMLElement {
    const send = (kind: string) => post(this.model, { kind, id: row.id });
    const tick = element('input');
    Object.assign(tick, { type: 'checkbox', checked: row.chosen, title: 'Take it into the preview of the mask' });
    tick.setAttribute('aria-label', `region ${row.rank} in the mask`);
    tick.dataset.key = `tick ${row.id}`;
    tick.addEventListener('change', () => send('toggle'));
    const colour = element('button', 'locref-region-colour');
    colour.style.background = row.hidden ? 'transparent' : regionCss(row.rank);
    colour.style.borderColor = regionCss(row.rank);
    colour.title = row.hidden ? 'Show its colour' : 'Hide its colour';
    colour.setAttribute('aria-label', `colour of region ${row.rank}`);
    colour.setAttribute('aria-pressed', String(!row.hidden));
    colour.dataset.key = `hide ${row.id}`;
    colour.addEventListener('click', () => send('hide'));
    const find = element('button', 'locref-region-find', [String(row.rank)]);
    find.title = 'Bring the slices to its highest voxel';
    find.setAttribute('aria-label', `go to region ${row.rank}`);
    find.dataset.key = `find ${row.id}`;
    find.addEventListener('click', () => send('find'));
    const numbers = [row.voxels.toLocaleString('en'), `${row.kda} kDa`, row.contacts.toLocaleString('en'), String(row.leaves)];
    const made = element('tr', row.chosen ? 'locref-region-chosen' : '', [
      ...[tick, colour, find].map(control => element('td', '', [control])), ...numbers.map(text => element('td', '', [text])),
    ]);
    return made;
  }
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const table = new Table(model);
    for (const name of ['rows', 'left_out'] as const) model.on(`change:${name}`, table.draw);
    el.append(table.root);
    return () => {
      for (const name of ['rows', 'left_out'] as const) model.off(`change:${name}`, table.draw);
    };
  },
};
