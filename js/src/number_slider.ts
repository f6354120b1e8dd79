/** A slider with its name and a field for the number: native inputs, which every screen reader knows. */
import type { AnyModel, RenderProps } from '@anywidget/types';
import { element, numberInput, show } from './dom';
import css from './number_slider.css';

interface State {
  value: number;
  min: number;
  max: number;
  step: number;
  description: string;
  tooltip: string;
  unit: string;
  disabled: boolean;
  is_live: boolean;
}

class NumberSlider {
  readonly root = element('div', 'locref-slider');
  private readonly name = element('span', 'locref-slider-name');
  private readonly range = element('input');
  private readonly number = numberInput('', '', '', value => this.set(value)).input;
  private readonly unit = element('span', 'locref-slider-unit');

  constructor(private readonly model: AnyModel<State>) {
    this.range.type = 'range';
    this.range.addEventListener(model.get('is_live') ? 'input' : 'change', () => this.set(this.range.valueAsNumber));
    // What was typed gives way to the number that counts: it may be none, or beyond the limits.
    for (const done of ['change', 'blur']) this.number.addEventListener(done, this.draw);
    this.root.addEventListener('keydown', event => event.stopPropagation());
    this.root.append(element('style', '', [css]), this.name, this.range, this.number, this.unit);
    this.draw();
  }

  readonly draw = (): void => {
    const { model, range, number } = this;
    const [min, max, step] = [model.get('min'), model.get('max'), model.get('step')];
    for (const input of [range, number]) {
      Object.assign(input, { min: String(min), max: String(max), title: model.get('tooltip'), disabled: model.get('disabled') });
    }
    range.step = String(step);
    const value = model.get('value');
    // A hand on the slider is ahead of what the kernel has heard.
    if (document.activeElement !== range || Math.abs(range.valueAsNumber - value) > step) range.value = String(value);
    show(number, String(Number(value.toPrecision(4))));
    const [words, unit] = [model.get('description'), model.get('unit')];
    this.name.textContent = words;
    this.unit.textContent = unit;
    range.setAttribute('aria-label', words);
    number.setAttribute('aria-label', `${words} as a number`);
    range.setAttribute('aria-valuetext', `${Number(value.toPrecision(4))} ${unit}`);
    this.root.title = model.get('tooltip');
    this.root.classList.toggle('locref-off', model.get('disabled'));
  };

  private set(value: number): void {
    const within = Math.min(Math.max(value, this.model.get('min')), this.model.get('max'));
    this.model.set('value', within);
    this.model.save_changes();
  }
}

export default {
  render({ model, el }: RenderProps<State>): () => void {
    const slider = new NumberSlider(model);
    model.on('change', slider.draw as never);
    el.append(slider.root);
    return () => model.off('change', slider.draw as never);
  },
};
