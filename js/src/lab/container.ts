/**
 * What JupyterLab loads: a container in the form of module federation.
 *
 * JupyterLab calls `init` with the modules that it shares, then `get('./extension')` for the plugins.
 */
import { makePlugins } from './plugin';
import { SharedModules, type ShareScope } from './shared';

declare const PACKAGE_NAME: string;

interface Container {
  init: (scope: ShareScope) => void;
  get: (module: string) => Promise<() => object>;
}

const page = window as unknown as { _JUPYTERLAB?: Record<string, Container> };
let scope: ShareScope | null = null;

page._JUPYTERLAB ??= {};
page._JUPYTERLAB[PACKAGE_NAME] = {
  init: given => {
    scope ??= given;
  },
  get: async module => {
    if (module !== './extension' || !scope) throw new Error(`${PACKAGE_NAME} holds no module ${module}`);
    const plugins = await makePlugins(new SharedModules(scope), PACKAGE_NAME);
    return () => ({ __esModule: true, default: plugins });
  },
};
