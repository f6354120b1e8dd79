/** File types, their viewer, the launcher tile and the commands. What is shown is made in Python. */
import tutorial from '../../../notebooks/01_first_refinement.ipynb';
import workbench from '../../../notebooks/workbench.ipynb';
import { watchKernels } from './dead_views';
import { makeDocumentPanel } from './document_panel';
import iconText from './icon.svg';
import type {
  Application, Apputils, Context, DocRegistry, DocumentWidget, FileBrowser, IconModule, Launcher, LuminoWidgets, NotebookTracker,
  Palette,
  Plugin, RenderMime, RenderMimeModule, Restorer, Token, WidgetFactory,
} from './jupyter';
import { stopKeys } from './keys';
import { createNotebook } from './notebook_file';
import type { SharedModules } from './shared';
import { watchDeadOutputs } from './stand_ins';
import css from './style.css';
import { ViewerKernel } from './viewer_kernel';

const FACTORY = 'Map and particle viewer';
const CATEGORY = 'Local refinement';
const MAPS = ['.mrc', '.map', '.ccp4'].flatMap(end => [end, `${end}.gz`, `${end}.bz2`]);
const FILE_TYPES = [
  { name: 'locref-map', displayName: 'Density map', extensions: [...MAPS, '.mrcs'] },
  { name: 'locref-particles', displayName: 'Particle table', extensions: ['.star', '.cs'] },
];

interface Modules {
  apputils: Apputils;
  documents: DocRegistry;
  lumino: LuminoWidgets;
  rendermimes: RenderMimeModule;
  icon: unknown;
}

/** The plugins that the page has a place for: none where there are no documents, as in Voila. */
export async function makePlugins(modules: SharedModules, name: string): Promise<Plugin[]> {
  stopKeys(document.body);
  const [apputils, documents, lumino, rendermimes, icons] = await Promise.all([
    modules.load<Apputils>('@jupyterlab/apputils'),
    modules.load<DocRegistry>('@jupyterlab/docregistry'),
    modules.load<LuminoWidgets>('@lumino/widgets'),
    modules.load<RenderMimeModule>('@jupyterlab/rendermime'),
    modules.load<IconModule>('@jupyterlab/ui-components'),
  ]);
  if (!apputils || !documents || !lumino || !rendermimes) return [];
  const style = document.createElement('style');
  style.textContent = css;
  document.head.append(style);
  const icon = icons ? new icons.LabIcon({ name: 'locref:region', svgstr: iconText }) : undefined;
  const tokens = {
    launcher: (await modules.load<{ ILauncher: Token }>('@jupyterlab/launcher'))?.ILauncher,
    palette: apputils.ICommandPalette,
    restorer: (await modules.load<{ ILayoutRestorer: Token }>('@jupyterlab/application'))?.ILayoutRestorer,
    notebooks: (await modules.load<{ INotebookTracker: Token }>('@jupyterlab/notebook'))?.INotebookTracker,
    browser: (await modules.load<{ IDefaultFileBrowser: Token }>('@jupyterlab/filebrowser'))?.IDefaultFileBrowser,
  };
  const named = Object.entries(tokens).filter((entry): entry is [string, Token] => !!entry[1]);
  const optional = named.map(([, token]) => token);
  // The services come in the order of their tokens.
  const collect = (services: unknown[]) => Object.fromEntries(named.map(([key], i) => [key, services[i]])) as Services;
  const shared = { apputils, documents, lumino, rendermimes, icon };
  return [
    {
      id: `${name}:documents`,
      description: 'Opens density maps, image stacks and particle tables.',
      autoStart: true,
      requires: [rendermimes.IRenderMimeRegistry],
      optional,
      activate: (app, rendermime: RenderMime, ...services) => {
        addDocuments(app, modules, shared, rendermime, collect(services));
      },
    },
    {
      id: `${name}:notebooks`,
      description: 'Opens our notebooks from launcher and command palette, and tells of views that have lost their kernel.',
      autoStart: true,
      optional,
      activate: (app, ...given) => {
        const services = collect(given);
        addNotebooks(app, services, icon);
        if (services.notebooks) {
          watchKernels(services.notebooks);
          watchDeadOutputs(services.notebooks);
        }
      },
    },
  ];
}

interface Services {
  launcher?: Launcher | null;
  palette?: Palette | null;
  restorer?: Restorer | null;
  browser?: FileBrowser | null;
  notebooks?: NotebookTracker | null;
}

function addDocuments(
  app: Application, modules: SharedModules, shared: Modules, rendermime: RenderMime, { restorer }: Services,
): void {
  const { apputils, documents, lumino, rendermimes, icon } = shared;
  if (!app.docRegistry) return;
  const kernel = new ViewerKernel(app, modules, apputils, rendermimes, rendermime);
  // A stack may be larger than the machine's memory: its content never goes through the document manager. As a
  // "collaborative" model it is also never saved from here, nor copied as a checkpoint.
  app.docRegistry.addModelFactory({
    name: 'locref-unread', contentType: 'file', fileFormat: null, collaborative: true, isDisposed: false,
    dispose: () => undefined,
    preferredLanguage: () => '',
    createNew: (options: object = {}) => new documents.DocumentModel({ ...options, collaborationEnabled: true }),
  });
  for (const type of FILE_TYPES) {
    app.docRegistry.addFileType({
      ...type, mimeTypes: ['application/octet-stream'], fileFormat: 'base64', contentType: 'file', icon,
    });
  }
  const types = FILE_TYPES.map(type => type.name);
  class Factory extends (documents.ABCWidgetFactory as new (options: Record<string, unknown>) => WidgetFactory) {
    protected createNewWidget(context: Context): DocumentWidget {
      return new documents.DocumentWidget({ content: makeDocumentPanel(app, lumino, kernel, context), context });
    }
  }
  const factory = new Factory({
    name: FACTORY, label: FACTORY, fileTypes: types, defaultFor: types, modelName: 'locref-unread', readOnly: true,
  });
  app.docRegistry.addWidgetFactory(factory);
  const tracker = new apputils.WidgetTracker({ namespace: 'locref-documents' });
  factory.widgetCreated.connect((_factory, widget) => void tracker.add(widget));
  void restorer?.restore(tracker, {
    command: 'docmanager:open',
    args: ({ context }: DocumentWidget) => ({ path: context.path, factory: FACTORY }),
    name: ({ context }: DocumentWidget) => context.path,
  });
}

function addNotebooks(app: Application, { launcher, palette, browser }: Services, icon: unknown): void {
  const add = (command: string, label: string, caption: string, stem: string, notebook: object) => {
    app.commands.addCommand(command, {
      label, caption, icon,
      execute: async args => {
        const folder = typeof args.cwd === 'string' ? args.cwd : (browser?.model.path ?? '');
        const path = await createNotebook(app.serviceManager.contents, folder, stem, notebook);
        return app.commands.execute('docmanager:open', { path, factory: 'Notebook' });
      },
    });
    palette?.addItem({ command, category: CATEGORY });
  };
  add('locref:open-workbench', 'Local refinement',
    'New notebook: choose particles, map and mask, set the search, run it and watch it', 'local_refinement', workbench);
  add('locref:open-tutorial', 'Local refinement: tutorial',
    'New notebook: a first refinement, step by step, on the sample that comes with the package', 'first_refinement', tutorial);
  launcher?.add({ command: 'locref:open-workbench', category: CATEGORY, rank: 1 });
}
