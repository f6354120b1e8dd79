/**
 * The kernel that the document viewers share.
 *
 * What a file holds is read and drawn by the Python widgets, the same as in a notebook; this only starts a kernel for
 * them and connects it with the widget manager. The first document starts it, the last one ends it. The session's
 * name is kept for as long as the browser's tab lives, so that a reloaded page finds its kernel again.
 */
import type {
  Application, Apputils, Disposable, Message, RenderMime, RenderMimeModule, Renderer, SessionContext, WidgetManagerModule,
} from './jupyter';
import type { SharedModules } from './shared';

export const WIDGET_TYPE = 'application/vnd.jupyter.widget-view+json';
const MODULE = 'locref_widgets.widgets.file_viewer';
/**
 * A kernel that another client restarts says so in a message that can get lost, so it is asked now and then whether it
 * still holds what is shown; and once more when it has not answered for a minute.
 */
const CHECK_MS = 5000;
const SILENT_CHECKS = 12;

/** The kernel could not do what was asked; the message is for people. */
export class ViewerError extends Error {}

interface Ready {
  session: SessionContext;
  rendermime: RenderMime;
  manager: Disposable;
}

export class ViewerKernel {
  private readonly open = new Set<string>();
  private readonly shown = new Set<string>();
  private asking = false;
  private silent = 0;
  private readonly listeners = new Set<(words: string) => void>();
  private ready: Promise<Ready> | null = null;
  private ending: Promise<void> = Promise.resolve();

  constructor(
    private readonly app: Application,
    private readonly modules: SharedModules,
    private readonly apputils: Apputils,
    private readonly rendermimes: RenderMimeModule,
    private readonly registry: RenderMime,
  ) {}

  /** Call back, with words, when the kernel is gone and with it what was shown. */
  onLoss(listener: (words: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Have Python read the file and return its view. Raises `ViewerError`. */
  async show(path: string): Promise<Renderer> {
    this.open.add(path);
    const { session, rendermime } = await (this.ready ??= this.start());
    const data = await run(session, `import ${MODULE}\n${MODULE}.show(${JSON.stringify(path)})`);
    if (!data) throw new ViewerError('The kernel showed nothing. Try again.');
    const renderer = rendermime.createRenderer(WIDGET_TYPE);
    await renderer.renderModel(new this.rendermimes.MimeModel({ data, trusted: true }));
    this.shown.add(path);
    return renderer;
  }

  /** Let go of a file; the kernel ends with the last one. */
  async close(path: string): Promise<void> {
    this.open.delete(path);
    this.shown.delete(path);
    const ready = this.ready;
    if (!ready) return;
    if (!this.open.size) {
      this.ready = null;
      this.ending = end(ready);
      return this.ending;
    }
    const { session } = await ready;
    await run(session, `import ${MODULE}\n${MODULE}.close(${JSON.stringify(path)})`).catch(() => undefined);
  }

  private async start(): Promise<Ready> {
    try {
      // A session of the same name that is about to end must not be taken up again.
      await this.ending;
      return await this.connect();
    } catch (error) {
      this.ready = null;
      throw error;
    }
  }

  private async connect(): Promise<Ready> {
    const managers = await this.modules.load<WidgetManagerModule>('@jupyter-widgets/jupyterlab-manager');
    if (!managers) throw new ViewerError('The extension of ipywidgets (jupyterlab_widgets) is not installed here.');
    const services = this.app.serviceManager;
    await services.kernelspecs.ready;
    const session = new this.apputils.SessionContext({
      sessionManager: services.sessions,
      kernelManager: services.kernels,
      specsManager: services.kernelspecs,
      path: sessionName(),
      name: 'Map and particle viewers',
      type: 'locref-viewers',
      kernelPreference: { name: services.kernelspecs.specs?.default, autoStartDefault: true, shouldStart: true, canStart: true },
    });
    if (await session.initialize()) throw new ViewerError('No kernel could be chosen to read the file with.');
    await session.ready;
    const rendermime = this.registry.clone();
    // The manager asks a notebook's context for these; there is no notebook here, and nothing to save.
    const context = {
      sessionContext: session,
      model: { getMetadata: () => undefined, setMetadata: () => undefined, dirty: false },
      saveState: { connect: () => true, disconnect: () => true },
      urlResolver: { resolveUrl: async (url: string) => url, getDownloadUrl: async (url: string) => url },
    };
    const manager = managers.registerWidgetManager(context, rendermime, []);
    session.statusChanged.connect((_session, status) => {
      if (status === 'restarting' || status === 'autorestarting') this.tell('The kernel was restarted.');
      else if (status === 'dead') this.tell('The kernel has died.');
      // Restarted by another client, the kernel only says that it starts, or the connection drops.
      else if (status === 'starting') void this.checkShown(session, true);
    });
    this.asking = false;
    const beat = window.setInterval(() => {
      if (session.isDisposed) window.clearInterval(beat);
      else void this.checkShown(session);
    }, CHECK_MS);
    let lost = false;
    session.connectionStatusChanged.connect((_session, status) => {
      if (status === 'connected' && lost) void this.checkShown(session, true);
      lost = status !== 'connected';
    });
    session.kernelChanged.connect((_session, { newValue }) => {
      if (newValue) return;
      this.ready = null;
      this.tell('The kernel was shut down.');
    });
    return { session, rendermime, manager };
  }

  /** Ask the kernel whether it holds what is shown; `anew` where an earlier question may have been lost. */
  private async checkShown(session: SessionContext, anew = false): Promise<void> {
    // One question at a time: a kernel that reads a large file answers late.
    if (!this.shown.size || (this.asking && !anew && this.silent++ < SILENT_CHECKS)) return;
    this.asking = true;
    this.silent = 0;
    const paths = [...this.shown];
    const check = run(session, `import ${MODULE}\n${MODULE}.check_shown(${JSON.stringify(paths)})`);
    // A kernel that ends with its last document breaks off what it was asked: nothing of it is shown by then.
    await check.catch(() => paths.every(path => this.shown.has(path)) && this.tell('The kernel was restarted.'));
    this.asking = false;
  }

  private tell(words: string): void {
    this.shown.clear();
    for (const listener of this.listeners) listener(words);
  }
}

async function end(ready: Promise<Ready>): Promise<void> {
  try {
    const { session, manager } = await ready;
    manager.dispose();
    await session.shutdown();
    session.dispose();
  } catch {
    // It never started, or is gone already.
  }
}

/** Run code; give the widget that it displayed, or raise what went wrong in words. */
async function run(session: SessionContext, code: string): Promise<object | null> {
  const kernel = session.session?.kernel;
  if (!kernel) throw new ViewerError('There is no kernel.');
  let shown: object | null = null;
  let fault: Message['content'] | null = null;
  const future = kernel.requestExecute({ code, store_history: false });
  future.onIOPub = ({ header, content }) => {
    if (header.msg_type === 'display_data' && WIDGET_TYPE in content.data) shown = content.data;
    if (header.msg_type === 'error') fault = content;
  };
  await future.done;
  if (fault) throw new ViewerError(faultWords(fault));
  return shown;
}

export function faultWords(fault: Message['content']): string {
  if (fault.ename === 'ModuleNotFoundError' && String(fault.evalue).includes('locref_widgets')) {
    return "The default kernel's Python has no package locref_widgets. Install it there, or make a kernel that has it the default.";
  }
  return `${fault.ename}: ${fault.evalue}`;
}

function sessionName(): string {
  const key = 'locref-viewers';
  let name = sessionStorage.getItem(key);
  if (!name) {
    name = `${key}-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`;
    sessionStorage.setItem(key, name);
  }
  return name;
}
