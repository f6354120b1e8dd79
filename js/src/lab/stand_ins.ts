/**
 * Shows the picture that a view brought along where the view itself cannot come alive.
 *
 * A notebook that is opened again without its kernel's widgets says "Error displaying widget" in their place. Where
 * the saved output holds a picture, too, that is shown instead, with a line that says what it is.
 */
import type { CellOutput, NotebookPanel, NotebookTracker } from './jupyter';

const FAILED = 'Error displaying widget';
const WIDGET = 'application/vnd.jupyter.widget-view+json';

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
  const picture = output.data?.['image/png'];
  if (!picture || !output.data?.[WIDGET]) return;
  const words = document.createElement('div');
  words.className = 'locref-dead';
  words.setAttribute('role', 'status');
  words.textContent = '⚠ A picture of this view as it was: its kernel is gone. Run the cell again to bring it to life.';
  const image = document.createElement('img');
  image.src = `data:image/png;base64,${[picture].flat().join('').replace(/\s/g, '')}`;
  image.alt = [output.data['text/plain'] ?? ''].flat().join('');
  image.style.maxWidth = '100%';
  place.replaceChildren(words, image);
}
