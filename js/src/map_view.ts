/** The anywidget front end of MapView: slices and surface of maps, mask outline, fulcrum. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import type { Vec3 } from './geometry';
import { KernelLink, type VolumeState } from './kernel_link';

interface State extends VolumeState {
  fulcrum: number[];
}

function fulcrumOf(model: AnyModel<State>): Vec3 | null {
  const point = model.get('fulcrum');
  return point.length === 3 ? ([...point] as Vec3) : null;
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const link = new KernelLink<State>(model);
    const { viewer } = link;
    viewer.setFulcrum(fulcrumOf(model));
    if (viewer.stage.fulcrum) viewer.addFulcrumControls();
    link.on('change:fulcrum', () => viewer.setFulcrum(fulcrumOf(model)));
    el.append(viewer.root);
    // For tests: what is drawn, and when it is settled.
    Object.assign(viewer.root, { viewer });
    return () => link.dispose();
  },
};
