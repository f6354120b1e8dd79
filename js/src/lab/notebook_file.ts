/** Puts a notebook of ours into the user's folder. */
import type { Contents } from './jupyter';

/** Save `notebook` under the first name that is free: stem.ipynb, stem_2.ipynb, … Returns its path. */
export async function createNotebook(contents: Contents, folder: string, stem: string, notebook: unknown): Promise<string> {
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${stem}.ipynb` : `${stem}_${number}.ipynb`;
    const path = folder ? `${folder}/${name}` : name;
    if (await exists(contents, path)) continue;
    await contents.save(path, { type: 'notebook', format: 'json', content: notebook });
    return path;
  }
}

async function exists(contents: Contents, path: string): Promise<boolean> {
  try {
    await contents.get(path, { content: false });
    return true;
  } catch (error) {
    const status = (error as { response?: { status?: number } }).response?.status;
    if (status === 404) return false;
    throw error;
  }
}
