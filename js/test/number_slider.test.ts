import assert from 'node:assert/strict';
import { test } from 'node:test';
import numberSlider from '../src/number_slider';

/** As much of an element as the slider uses, for there is no page here. */
class FakeElement extends EventTarget {
  value = '';
  readonly attributes = new Map<string, string>();
  readonly children: unknown[] = [];
  readonly classList = { toggle: () => false };
  append(...made: unknown[]): void {
    this.children.push(...made);
  }
  setAttribute(name: string, words: string): void {
    this.attributes.set(name, words);
  }
  get valueAsNumber(): number {
    return this.value === '' ? NaN : Number(this.value);
  }
}

/** A slider up to 20 that stands at 5: what the kernel knows of it, and the field for the number. */
function makeSlider() {
  const made: FakeElement[] = [];
  Object.assign(globalThis, {
    document: {
      activeElement: null,
      createElement: () => {
        made.push(new FakeElement());
        return made[made.length - 1];
      },
    },
  });
  const state: Record<string, unknown> = { value: 5, min: 0, max: 20, step: 1, description: 'Level', tooltip: '', unit: '', disabled: false, is_live: true };
  let tell = (): void => undefined;
  const model = {
    get: (name: string) => state[name],
    set: (name: string, value: unknown) => {
      const isOther = state[name] !== value;
      state[name] = value;
      if (isOther) tell();
    },
    save_changes: () => undefined,
    on: (_event: string, heard: () => void) => {
      tell = heard;
    },
    off: () => undefined,
  };
  numberSlider.render({ model, el: new FakeElement() } as never);
  const number = made.find(input => input.attributes.get('aria-label') === 'Level as a number')!;
  const type = (words: string): void => {
    number.value = words;
    number.dispatchEvent(new Event('input'));
  };
  return { state, model, number, type, say: (event: string) => number.dispatchEvent(new Event(event)) };
}

test('what is being typed into a slider stays when the kernel changes it meanwhile', () => {
  const { state, model, number, type, say } = makeSlider();
  type('1');
  model.set('max', 21);
  model.set('value', 7);
  assert.equal(number.value, '1');
  type('12');
  say('change');
  assert.equal(state.value, 12);
  assert.equal(number.value, '12');
});

test('a number that was not taken gives way to the one that counts', () => {
  const { state, model, number, type, say } = makeSlider();
  model.set('value', 20);
  type('999');
  say('change');
  assert.equal(state.value, 20);
  assert.equal(number.value, '20');
  type('');
  say('change');
  assert.equal(number.value, '20');
  type('3');
  model.set('value', 8);
  say('blur');
  assert.equal(number.value, '8');
});
