/** Puts a notebook of ours into the user's folder. */
import type { Contents } from './jupyter';

/** Save `notebook` under the first name that is free: stem.ipynb, stem_2.ipynb, … Returns its path. */
export async function createNotebook(contents: Contents, folder: string, stem: string, notebook: unknown): Promise<string> {
  // Asked for one by one, each free name would be an error in the browser's console.
  const { content } = await contents.get(folder, { content: true });
  const taken = new Set((content as { name: string }[]).map(file => file.name));
  let name = `${stem}.ipynb`;
  for (let number = 2; taken.has(name); number++) name = `${stem}_${number}.ipynb`;
  const path = folder ? `${folder}/${name}` : name;
  await contents.save(path, { type: 'notebook', format: 'json', content: notebook });
  return path;
}
