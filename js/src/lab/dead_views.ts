/**
 * Says so where a view has lost its kernel.
 *
 * When a kernel ends or is restarted, what its widgets drew stays on the page and answers nothing any more. A line
 * above it tells; it goes with the old output when the cell is run again. Views that draw maps say it themselves.
 */
import type { NotebookPanel, NotebookTracker } from './jupyter';

const VIEWS = [
  '.locref-form',
  '.locref-table',
  '.locref-dashboard',
  '.locref-search',
  '.locref-sweep',
  '.locref-comparison',
  '.locref-workbench',
].join(', ');
const ENDED = ['restarting', 'autorestarting', 'dead', 'terminating'];

export function watchKernels(tracker: NotebookTracker): void {
  const watch = (panel: NotebookPanel) => {
    panel.sessionContext.statusChanged.connect((_context, status) => {
      if (ENDED.includes(status)) markViews(panel.node, status);
    });
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_tracker, panel) => watch(panel));
}

export function markViews(page: ParentNode, status: string): void {
  const what = status === 'dead' || status === 'terminating' ? 'has ended' : 'was restarted';
  for (const view of page.querySelectorAll<HTMLElement>(VIEWS)) {
    if (view.parentElement?.closest(VIEWS) || view.previousElementSibling?.classList.contains('locref-dead')) continue;
    const words = document.createElement('div');
    words.className = 'locref-dead';
    words.setAttribute('role', 'status');
    words.textContent = `⚠ The kernel ${what}: this view shows what it was. Run its cell again.`;
    view.before(words);
    view.inert = true;
  }
}
