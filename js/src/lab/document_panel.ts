/** The inside of a document tab: words while it opens, then the Python widget, or words on why there is none. */
import { describeStranger, readFirstBytes } from './first_bytes';
import type { Application, Context, LuminoWidgets, Panel, Renderer } from './jupyter';
import { type ViewerKernel, ViewerError } from './viewer_kernel';

export function makeDocumentPanel(app: Application, lumino: LuminoWidgets, kernel: ViewerKernel, context: Context): Panel {
  const panel = new lumino.Panel();
  panel.addClass('locref-document');
  const notice = document.createElement('div');
  notice.className = 'locref-notice';
  notice.setAttribute('role', 'status');
  panel.node.append(notice);
  let view: Renderer | null = null;

  const say = (words: string, ...buttons: HTMLElement[]) => {
    const text = document.createElement('p');
    text.textContent = words;
    notice.replaceChildren(text, ...buttons);
    notice.hidden = !words;
  };
  const openAgain = () => button('Open again', 'Read the file again and show it', () => void open());
  const openAsText = () =>
    button('Open in the editor', 'Show the file as text', () => {
      void app.commands.execute('docmanager:open', { path: context.path, factory: 'Editor' });
    });

  async function open(): Promise<void> {
    view?.dispose();
    view = null;
    const name = context.path.split('/').pop() ?? context.path;
    say(`Opening ${name}…`);
    try {
      await context.ready;
      const stranger = await findStranger(app, context);
      if (stranger) return say(`${name} is ${stranger}.`, openAsText());
      const shown = await kernel.show(app.serviceManager.contents.localPath(context.path));
      if (panel.isDisposed) return shown.dispose();
      view = shown;
      panel.addWidget(shown);
      say('');
    } catch (error) {
      if (panel.isDisposed) return;
      const words = error instanceof ViewerError ? error.message : String(error);
      say(`${name} cannot be shown. ${words}`, openAgain());
    }
  }

  const stopListening = kernel.onLoss(words => {
    view?.dispose();
    view = null;
    say(`${words} The view is gone with it; the file is as it was.`, openAgain());
  });
  panel.disposed.connect(() => {
    stopListening();
    void kernel.close(app.serviceManager.contents.localPath(context.path));
  });
  void open();
  return panel;
}

async function findStranger(app: Application, context: Context): Promise<string | null> {
  if (!/\.(map|cs)$/i.test(context.path)) return null;
  const { contents } = app.serviceManager;
  const { size } = await contents.get(context.path, { content: false });
  return describeStranger(context.path, await readFirstBytes(await contents.getDownloadUrl(context.path), size));
}

function button(words: string, title: string, press: () => void): HTMLButtonElement {
  const element = document.createElement('button');
  element.className = 'jp-mod-styled jp-mod-accept';
  element.textContent = words;
  element.title = title;
  element.addEventListener('click', press);
  return element;
}
