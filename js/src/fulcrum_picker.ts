/** The anywidget front end of FulcrumPicker: the viewer with a point that is placed, and what it means. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import { type Choice, FulcrumPanel } from './fulcrum_panel';
import { FulcrumTool } from './fulcrum_tool';
import type { Vec3 } from './geometry';
import { wholeVoxel } from './geometry';
import { KernelLink, type VolumeState } from './kernel_link';
import { write } from './label';
import { Layer } from './layers';
import { type Region, axisOf, farthest, turned } from './swing';
import type { Overlay, PointerAt } from './tools';
import { length, rotation, subtract } from './vectors';
import { say } from './words';

interface State extends VolumeState {
  fulcrum: number[];
  rotation_extent: number;
  shift_extent: number;
  choices: Choice[];
  found: string;
  advice: string;
  run_path: string;
}

/** Voxels are told to this part: a hundredth is far below what a hinge is known to. */
const PART = 100;
const LEAST_DEGREES = 0.05;
const ARC_STEPS = 16;

class FulcrumLink extends KernelLink<State> {
  private readonly panel: FulcrumPanel;
  private readonly swing: Layer | null;
  private region: Region | null = null;
  private isSwingWanted = true;

  constructor(model: AnyModel<State>) {
    super(model, { picked: at => this.onSurfaceClick(at) });
    const { viewer } = this;
    const { stage, surface } = viewer;
    viewer.root.classList.add('locref-picker');
    const mask = model.get('layers').find(layer => layer.kind === 'mask');
    const swingSwitch = viewer.addSwitch('Region turned', 'swing', on => {
      this.isSwingWanted = on;
      if (!on) this.panel.stop();
      this.showSwing();
    });
    this.panel = new FulcrumPanel(stage.grid, mask ? swingSwitch : null, {
      place: (voxel, how) => this.place(voxel, how),
      choose: id => this.tell({ kind: 'choose', choice: id }),
      useRun: path => this.tell({ kind: 'use_run', path }),
      setExtents: (rotationRad, shiftPx) => {
        this.save('rotation_extent', rotationRad);
        this.save('shift_extent', shiftPx);
        this.panel.update(stage.fulcrum!, rotationRad, shiftPx, this.region);
        this.showSwing();
      },
      previewChanged: () => this.showSwing(),
      setPlacing: on => (tool.isPlacing = on),
    });
    const tool = new FulcrumTool(stage, surface.camera, () => surface.size, {
      place: (voxel, how) => this.place(voxel, how),
      paint: overlay => this.paintLever(overlay),
    });
    this.swing = mask ? this.addSwing(mask.id) : null;
    viewer.addFulcrumControls();
    viewer.root.insertBefore(this.panel.element, viewer.below);
    viewer.setHint('Click a slice or the surface to put the fulcrum there, drag its marker, or type. Wheel or ↑ ↓ leaf, + − zoom; f: put it where the slices meet.');
    viewer.setTool(tool);
    this.on('msg:custom', ((answer: { kind: string; centre: Vec3 }, buffers: DataView[]) => this.onRegion(answer, buffers)) as never);
    this.on('change:fulcrum', () => this.onFulcrum());
    for (const name of ['rotation_extent', 'shift_extent'] as const) this.on(`change:${name}`, () => this.update());
    for (const name of ['found', 'advice'] as const) this.on(`change:${name}`, () => this.panel.setWords(model.get('found'), model.get('advice')));
    this.on('change:choices', () => this.panel.setChoices(model.get('choices')));
    this.on('change:run_path', () => this.panel.setRun(model.get('run_path')));
    this.panel.setChoices(model.get('choices'));
    this.panel.setRun(model.get('run_path'));
    this.panel.setWords(model.get('found'), model.get('advice'));
    viewer.setFulcrum([...model.get('fulcrum')] as Vec3);
    this.update();
    if (mask) this.tell({ kind: 'need_region' });
  }

  dispose(): void {
    this.panel.dispose();
    super.dispose();
  }

  /** Put the fulcrum somewhere, here and (soon) in the kernel. */
  private place(voxel: Vec3, how: string): void {
    const point = voxel.map(value => Math.round(value * PART) / PART) as Vec3;
    this.show(point);
    this.panel.setWords(how[0].toUpperCase() + how.slice(1) + '.', '');
    this.save('fulcrum', point as State['fulcrum']);
    this.save('found', `${how[0].toUpperCase()}${how.slice(1)}.` as State['found']);
  }

  private show(point: Vec3): void {
    const { viewer } = this;
    viewer.setFulcrum(point);
    const cursor = wholeVoxel(point, viewer.stage.grid);
    if (String(cursor) !== String(viewer.stage.cursor)) {
      viewer.setCursor(cursor);
      this.save('cursor', cursor as State['cursor']);
    }
    this.update();
  }

  /** A click on the surface: here at once as the 8-bit map has it, then as the kernel's has it. */
  private onSurfaceClick(at: PointerAt): void {
    if (!(this.viewer.stage.tool as FulcrumTool).isPlacing) return this.sendPick(at);
    this.show(at.voxel!);
    this.panel.setWords('Clicked on the surface.', '');
    this.tell({ kind: 'pick_fulcrum', id: at.layer, voxel: at.voxel, direction: at.ray?.direction });
  }

  private onRegion(answer: { kind: string; centre: Vec3 }, buffers: DataView[]): void {
    if (answer.kind !== 'region') return;
    const view = buffers[0];
    this.region = { centre: answer.centre, corners: new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)) };
    this.update();
  }

  private onFulcrum(): void {
    if (this.isSaving('fulcrum')) return;
    this.show([...this.model.get('fulcrum')] as Vec3);
  }

  private update(): void {
    const fulcrum = this.viewer.stage.fulcrum;
    if (!fulcrum) return;
    const [rotationRad, shiftPx] = this.extents();
    this.panel.update(fulcrum, rotationRad, shiftPx, this.region);
    this.showSwing();
  }

  private extents(): [number, number] {
    return [this.model.get('rotation_extent'), this.model.get('shift_extent')];
  }

  private addSwing(maskId: string): Layer {
    const layer = new Layer({ id: 'swing', name: 'swing', kind: 'mask', colour: '', opacity: 0.4, visible: true, level: 0.5 }, maskId);
    layer.isListed = false;
    layer.themeColour = 'swing';
    const { stage } = this.viewer;
    layer.volume = stage.layer(maskId)?.volume ?? null;
    this.viewer.setLayers([...stage.layers, layer]);
    return layer;
  }

  /** Turn the region's copy as the preview says. */
  private showSwing(): void {
    const { swing, region, panel } = this;
    const { stage } = this.viewer;
    if (!swing) return;
    const shown = this.isSwingWanted && region !== null && stage.fulcrum !== null && Math.abs(panel.angle) > LEAST_DEGREES;
    swing.style = { ...swing.style, visible: shown };
    if (shown) swing.motion = { turn: rotation(axisOf(panel.axis, region, stage.fulcrum!), (panel.angle * Math.PI) / 180), about: stage.fulcrum! };
    this.viewer.surface.nowMoving();
  }

  /** In the surface picture: the lever to the region's far end, and the way that end goes. */
  private paintLever({ view, context, project, theme }: Overlay): void {
    const { region, panel } = this;
    const { fulcrum, grid } = this.viewer.stage;
    if (view !== '3d' || !region || !fulcrum || !this.swing?.style.visible) return;
    const end = farthest(region, fulcrum).point;
    const axis = axisOf(panel.axis, region, fulcrum);
    const angle = (panel.angle * Math.PI) / 180;
    const points = Array.from({ length: ARC_STEPS + 1 }, (_, i) => turned(end, fulcrum, axis, (angle * i) / ARC_STEPS));
    const [at, from] = [project(fulcrum), project(end)];
    context.beginPath();
    context.moveTo(at[0], at[1]);
    context.lineTo(from[0], from[1]);
    for (const point of points) {
      const [x, y] = project(point);
      context.lineTo(x, y);
    }
    context.lineTo(at[0], at[1]);
    for (const [width, colour] of [[4, theme.halo], [1.6, theme.swing]] as const) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    }
    const tip = points[ARC_STEPS];
    const [x, y] = project(tip);
    write(context, `${say(length(subtract(tip, end)) * grid.voxelSize)} Å`, x, y - 8, 'center', theme, theme.swing);
  }
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const link = new FulcrumLink(model);
    el.append(link.viewer.root);
    Object.assign(link.viewer.root, { viewer: link.viewer });
    return () => link.dispose();
  },
};
