/**
 * Shows something better where a view cannot come alive.
 *
 * A notebook that is opened again without its kernel's widgets says "Error displaying widget" in their place; so does
 * a page that is loaded anew while its kernel is too busy to tell of them. Where the saved output holds a picture, that
 * is shown instead, with a line that says what it is; for our other views a line says what to do.
 */
import type { CellOutput, NotebookPanel, NotebookTracker } from './jupyter';

const FAILED = 'Error displaying widget';
const WIDGET = 'application/vnd.jupyter.widget-view+json';
/** How the text of an output begins that is one of our views. */
const OURS =
  /^(Workbench|RunDashboard|RunComparison|SweepView|SearchExplorer|MapView|MaskStudio|FulcrumPicker|ModelView|ParticleTable|SettingsForm)\(/;

export function watchDeadOutputs(tracker: NotebookTracker): void {
  const watch = (panel: NotebookPanel) => {
    let waiting = 0;
    const observer = new MutationObserver((changes) => {
      // A plot that is drawn changes thousands of nodes, some times a second.
      if (!changes.some(saysFailed)) return;
      window.clearTimeout(waiting);
      waiting = window.setTimeout(() => replaceDead(panel), 100);
    });
    observer.observe(panel.node, { childList: true, subtree: true, characterData: true });
    panel.disposed.connect(() => observer.disconnect());
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_tracker, panel) => watch(panel));
}

function saysFailed(change: MutationRecord): boolean {
  if (change.type === 'characterData') return isFailed(change.target);
  for (const node of change.addedNodes) if (isFailed(node)) return true;
  return false;
}

function isFailed(node: Node): boolean {
  return node.textContent?.includes(FAILED) ?? false;
}

function replaceDead(panel: NotebookPanel): void {
  for (const cell of panel.content?.widgets ?? []) {
    const outputs = cell.model.outputs?.toJSON() ?? [];
    const places = cell.node.querySelectorAll<HTMLElement>('.jp-OutputArea-child .jp-OutputArea-output');
    outputs.forEach((output, index) => {
      const place = places[index];
      if (place?.textContent?.startsWith(FAILED)) standIn(place, output);
    });
  }
}

export function standIn(place: HTMLElement, output: CellOutput): void {
  if (!output.data?.[WIDGET]) return;
  const picture = output.data['image/png'];
  const text = [output.data['text/plain'] ?? ''].flat().join('');
  if (picture) {
    const image = document.createElement('img');
    image.src = `data:image/png;base64,${[picture].flat().join('').replace(/\s/g, '')}`;
    image.alt = text;
    image.style.maxWidth = '100%';
    place.replaceChildren(said('A picture of this view as it was: its kernel is gone. Run the cell again to bring it to life.'), image);
  } else if (OURS.test(text)) {
    place.replaceChildren(said('The kernel did not tell of this view: it is gone, or was busy. Run the cell again, or load the page anew.'));
  }
}

function said(text: string): HTMLElement {
  const words = document.createElement('div');
  words.className = 'locref-dead';
  words.setAttribute('role', 'status');
  words.textContent = `⚠ ${text}`;
  return words;
}
