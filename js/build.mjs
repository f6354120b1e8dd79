// Builds the front end: the widgets' bundle into the Python package, the JupyterLab extension into js/built.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, context } from 'esbuild';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const { name, version, description, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
const LAB = join(ROOT, 'js', 'built', 'labextension');

const common = {
  absWorkingDir: ROOT, bundle: true, minify: true, target: 'es2021', logLevel: 'warning',
  loader: { '.css': 'text', '.svg': 'text', '.ipynb': 'json' },
  // Tells which version a built file is of; a test compares it with the others.
  banner: { js: `/* ${name} ${version} */` },
};
const widgets = {
  ...common, format: 'esm', outdir: 'locref_widgets/widgets/static',
  entryPoints: ['file_bridge', 'fulcrum_picker', 'map_view', 'mask_studio', 'number_slider', 'region_table'].map(name => `js/src/${name}.ts`),
};
const lab = {
  ...common, format: 'iife', entryPoints: ['js/src/lab/container.ts'], write: false,
  define: { PACKAGE_NAME: JSON.stringify(name) },
};

/** The folder that JupyterLab looks for: package.json, install.json and the script that it loads. */
async function writeLabExtension() {
  const [script] = (await build(lab)).outputFiles;
  // Browsers keep what JupyterLab serves: another content has another name.
  const digest = createHash('sha256').update(script.contents).digest('hex').slice(0, 16);
  const entry = `static/remoteEntry.${digest}.js`;
  await rm(LAB, { recursive: true, force: true });
  await mkdir(join(LAB, 'static'), { recursive: true });
  await writeFile(join(LAB, entry), script.contents);
  const write = (file, value) => writeFile(join(LAB, file), `${JSON.stringify(value, null, 2)}\n`);
  await write('package.json', {
    name, version, description, license,
    // JupyterLab compares them with its own and turns an extension for another JupyterLab off.
    dependencies: { '@jupyterlab/application': '^4.4.0', '@jupyterlab/docregistry': '^4.4.0' },
    jupyterlab: { extension: true, _build: { load: entry, extension: './extension' } },
  });
  await write('install.json', {
    packageManager: 'python', packageName: 'locref_widgets', uninstallInstructions: 'pip uninstall locref_widgets',
  });
}

if (process.argv.includes('--watch')) {
  await writeLabExtension();
  await (await context({ ...widgets, logLevel: 'info' })).watch();
} else {
  await build(widgets);
  await writeLabExtension();
}
