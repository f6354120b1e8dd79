/**
 * Keys pressed in one of our widgets stay there.
 *
 * JupyterLab takes a key for a command of the notebook wherever the focus is not in a text field: on a check box or
 * a button, `b` would insert a cell and `d d` delete one. Its listener is on the document, so the key is stopped one
 * step before. Keys with Ctrl, Cmd or Alt (save, command palette) go on.
 */
const OURS = '.locref-keys, .locref-dashboard, .locref-map';

export function stopKeys(body: HTMLElement): void {
  body.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(OURS)) event.stopPropagation();
  });
}
