import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeStranger } from '../src/lab/first_bytes';
import { createNotebook } from '../src/lab/notebook_file';
import { compareVersions, SharedModules } from '../src/lab/shared';

const bytes = (text: string) => new TextEncoder().encode(text);

test('source maps and source code are told from maps and tables', () => {
  assert.match(describeStranger('a/bundle.js.map', bytes('{"version":3}')) ?? '', /JavaScript source map/);
  assert.match(describeStranger('x.map', bytes('\uFEFF \n{"version":3}')) ?? '', /JavaScript source map/);
  assert.match(describeStranger('x.MAP', bytes('Kartenblatt 7')) ?? '', /text, and not a density map/);
  assert.match(describeStranger('Program.cs', bytes('using System;')) ?? '', /C# program/);
});

test('maps and tables are themselves, whatever their first byte', () => {
  const header = new Uint8Array(512);
  header.set([123, 0, 0, 0]); // 123 columns: the byte of an opening brace
  assert.equal(describeStranger('x.map', header), null);
  assert.equal(describeStranger('x.cs', new Uint8Array([0x93, ...bytes("NUMPY\x01{'descr'")])), null);
  assert.equal(describeStranger('x.map', new Uint8Array()), null);
  assert.equal(describeStranger('x.star', bytes('data_particles')), null);
  assert.equal(describeStranger('x.map.gz', bytes('{')), null);
});

test('versions are compared by number, a pre-release before its release', () => {
  const sorted = ['4.10.0', '4.6.6', '4.10.0-alpha.1', '4.9.12'].sort(compareVersions);
  assert.deepEqual(sorted, ['4.6.6', '4.9.12', '4.10.0-alpha.1', '4.10.0']);
});

test('the module in use wins over the newest; an absent one is null', async () => {
  const offer = (name: string, loaded = false) => ({ get: async () => () => name, loaded });
  const modules = new SharedModules({
    used: { '1.2.0': offer('in use', true), '1.3.0': offer('newest') },
    fresh: { '1.2.0': offer('old'), '1.10.0': offer('newest') },
  });
  assert.equal(await modules.load('used'), 'in use');
  assert.equal(await modules.load('fresh'), 'newest');
  assert.equal(await modules.load('absent'), null);
});

test('a new notebook never takes the place of one that is there', async () => {
  const files = new Set(['maps/a.ipynb', 'maps/a_2.ipynb']);
  const contents = {
    get: async (path: string) => {
      const inside = [...files].filter(file => file.slice(0, Math.max(0, file.lastIndexOf('/'))) === path);
      return { path, content: inside.map(file => ({ name: file.slice(file.lastIndexOf('/') + 1) })) };
    },
    save: async (path: string) => {
      files.add(path);
      return { path };
    },
    getDownloadUrl: async (path: string) => path,
    localPath: (path: string) => path,
  };
  assert.equal(await createNotebook(contents, 'maps', 'a', {}), 'maps/a_3.ipynb');
  assert.equal(await createNotebook(contents, '', 'a', {}), 'a.ipynb');
  const broken = { ...contents, get: async () => Promise.reject(new Error('no connection')) };
  await assert.rejects(createNotebook(broken, '', 'b', {}), /no connection/);
});
