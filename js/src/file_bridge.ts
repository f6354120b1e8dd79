/**
 * Gives files from the kernel addresses in this page, from which other widgets load them, and tells
 * the kernel whether the page is dark.
 *
 * nglview takes a map by its address at once, but as a message only as text that it keeps and sends
 * again with every later message.
 */
import type { AnyModel, InitializeProps, RenderProps } from '@anywidget/types';
import { post } from './post';
import { onThemeChange, readTheme } from './theme';

export default {
  initialize({ model }: InitializeProps): () => void {
    const addresses = new Map<string, string>();
    const onFile = (content: { kind: string; id: string; ticket: number }, buffers: DataView[]) => {
      if (content.kind !== 'file') return;
      const { id, ticket } = content;
      const old = addresses.get(id);
      if (old) URL.revokeObjectURL(old);
      const url = URL.createObjectURL(new Blob([buffers[0] as DataView<ArrayBuffer>]));
      addresses.set(id, url);
      post(model, { kind: 'address', id, url, ticket });
    };
    model.on('msg:custom', onFile as never);
    // nglview's paper is white unless told otherwise.
    const sayTheme = () => post(model, { kind: 'theme', dark: readTheme(document.body).dark });
    const stop = onThemeChange(sayTheme);
    sayTheme();
    // Files sent before this page listened are lost: ask for them.
    post(model, { kind: 'here' });
    return () => {
      model.off('msg:custom', onFile as never);
      stop();
      for (const url of addresses.values()) URL.revokeObjectURL(url);
    };
  },
  /** Nothing but words once the kernel is gone, for the view beside it says none. */
  render({ model, el }: RenderProps): () => void {
    const words = document.createElement('div');
    words.setAttribute('role', 'status');
    words.className = 'locref-warning';
    words.hidden = true;
    el.append(words);
    const onConnection = () => {
      words.textContent = 'The kernel behind this view has ended or was restarted: clicks on atoms are not heard. Run the cell again.';
      words.hidden = false;
    };
    model.on('comm_live_update', onConnection);
    void quietOnceClosed(model);
    return () => model.off('comm_live_update', onConnection);
  },
};

/**
 * Keep the view beside from telling a kernel that is gone where its camera stands.
 *
 * A model that its kernel closes still counts as connected, and each change to it throws; nglview goes on changing
 * it, for its picture turns on.
 */
async function quietOnceClosed(model: RenderProps['model']): Promise<void> {
  const id = model.get('view_id') as string;
  if (!id) return;
  const view: AnyModel & { comm_live?: boolean } = await model.widget_manager.get_model(id);
  view.on('comm:close', () => {
    view.comm_live = false;
  });
}
