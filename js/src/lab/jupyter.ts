/**
 * The parts of JupyterLab's interfaces (4.4 and later) that the extension uses, as types only.
 *
 * JupyterLab's own packages would bring some 200 MB of modules into every build for these few lines; that
 * they are true is checked by the tests that drive a real JupyterLab.
 */
export interface Signal<Sender, Value> {
  connect(slot: (sender: Sender, value: Value) => void, self?: unknown): boolean;
  disconnect(slot: (sender: Sender, value: Value) => void, self?: unknown): boolean;
}

export interface Disposable {
  dispose(): void;
}

// @lumino/widgets
export interface Widget extends Disposable {
  id: string;
  readonly node: HTMLElement;
  readonly isDisposed: boolean;
  readonly disposed: Signal<Widget, void>;
  addClass(name: string): void;
}
export interface Panel extends Widget {
  addWidget(widget: Widget): void;
}
export interface LuminoWidgets {
  Panel: new () => Panel;
}

// @jupyterlab/services
export interface Message {
  header: { msg_type: string };
  content: Record<string, any>;
}
export interface Future {
  onIOPub: (message: Message) => void;
  readonly done: Promise<Message>;
}
export interface Kernel {
  requestExecute(content: { code: string; store_history: boolean }): Future;
}
export interface FileModel {
  path: string;
  size?: number;
  content?: unknown;
}
export interface Contents {
  get(path: string, options: { content: boolean }): Promise<FileModel>;
  save(path: string, model: { type: string; format: string; content: unknown }): Promise<FileModel>;
  getDownloadUrl(path: string): Promise<string>;
  localPath(path: string): string;
}
export interface ServiceManager {
  contents: Contents;
  sessions: unknown;
  kernels: unknown;
  kernelspecs: { ready: Promise<void>; specs: { default: string } | null };
}

// @jupyterlab/apputils
export interface SessionContext extends Disposable {
  session: { kernel: Kernel | null } | null;
  readonly isDisposed: boolean;
  readonly ready: Promise<void>;
  readonly kernelChanged: Signal<SessionContext, { newValue: Kernel | null }>;
  readonly statusChanged: Signal<SessionContext, string>;
  readonly connectionStatusChanged: Signal<SessionContext, string>;
  initialize(): Promise<boolean>;
  shutdown(): Promise<void>;
}
export interface Apputils {
  ICommandPalette: Token;
  SessionContext: new (options: Record<string, unknown>) => SessionContext;
  WidgetTracker: new (options: { namespace: string }) => Tracker;
}
export interface Tracker {
  add(widget: DocumentWidget): Promise<void>;
}

// @jupyterlab/docregistry
export interface Context {
  readonly path: string;
  readonly ready: Promise<void>;
  readonly urlResolver: unknown;
}
export interface DocumentWidget extends Widget {
  context: Context;
}
export interface FileType {
  name: string;
  displayName: string;
  extensions: string[];
  mimeTypes: string[];
  fileFormat: string | null;
  contentType: string;
  icon?: unknown;
}
export interface WidgetFactory extends Disposable {
  readonly widgetCreated: Signal<WidgetFactory, DocumentWidget>;
}
export interface DocRegistry {
  Context: unknown;
  DocumentModel: new (options: object) => object;
  DocumentWidget: new (options: { content: Widget; context: Context }) => DocumentWidget;
  ABCWidgetFactory: new (options: Record<string, unknown>) => WidgetFactory;
}

// @jupyterlab/rendermime
export interface Renderer extends Widget {
  renderModel(model: unknown): Promise<void>;
}
export interface RenderMime {
  clone(): RenderMime;
  createRenderer(mimeType: string): Renderer;
}
export interface RenderMimeModule {
  IRenderMimeRegistry: Token;
  MimeModel: new (options: { data: object; trusted: boolean }) => unknown;
}

// @jupyter-widgets/jupyterlab-manager
export interface WidgetManagerModule {
  registerWidgetManager(context: object, rendermime: RenderMime, renderers: Iterable<never>): Disposable;
}

// @lumino/signaling
export interface Signaling {
  Signal: new (sender: object) => Signal<unknown, unknown>;
}

// @jupyterlab/application and what its plugins get
export interface Token {
  name: string;
}
export interface Command {
  label: string;
  caption?: string;
  icon?: unknown;
  execute: (args: Record<string, unknown>) => unknown;
}
export interface Commands {
  addCommand(id: string, options: Command): Disposable;
  execute(id: string, args?: Record<string, unknown>): Promise<unknown>;
}
export interface Application {
  commands: Commands;
  serviceManager: ServiceManager;
  docRegistry?: {
    addFileType(type: Partial<FileType>, factories?: string[]): Disposable;
    addModelFactory(factory: object): Disposable;
    addWidgetFactory(factory: WidgetFactory): Disposable;
  };
}
export interface Plugin {
  id: string;
  description: string;
  autoStart: boolean;
  requires?: Token[];
  optional?: Token[];
  activate: (app: Application, ...services: any[]) => void;
}
export interface Launcher {
  add(item: { command: string; category: string; rank: number }): Disposable;
}
export interface Palette {
  addItem(item: { command: string; category: string }): Disposable;
}
export interface Restorer {
  restore(tracker: Tracker, options: Record<string, unknown>): Promise<unknown>;
}
// @jupyterlab/notebook
/** One output of a cell as the notebook's file holds it. */
export interface CellOutput {
  readonly data?: Record<string, string | string[] | undefined>;
}
export interface NotebookPanel extends Widget {
  readonly sessionContext: SessionContext;
  readonly content?: {
    readonly widgets: readonly { readonly node: HTMLElement; readonly model: { readonly outputs?: { toJSON(): CellOutput[] } } }[];
  };
}
export interface NotebookTracker {
  readonly widgetAdded: Signal<NotebookTracker, NotebookPanel>;
  forEach(act: (panel: NotebookPanel) => void): void;
}
export interface FileBrowser {
  model: { path: string };
}
export interface IconModule {
  LabIcon: new (options: { name: string; svgstr: string }) => unknown;
}
