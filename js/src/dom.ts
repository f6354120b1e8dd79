/** Short ways to make labelled elements; every control has a name and a tooltip. */

type Children = Array<Node | string>;

export function element<K extends keyof HTMLElementTagNameMap>(tag: K, className = '', children: Children = []): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function button(words: string, tip: string, act: () => void): HTMLButtonElement {
  const made = element('button', '', [words]);
  made.type = 'button';
  made.title = tip;
  made.addEventListener('click', act);
  return made;
}

export function checkbox(words: string, tip: string, checked: boolean, set: (on: boolean) => void, key?: Node): { label: HTMLLabelElement; input: HTMLInputElement } {
  const input = element('input');
  input.type = 'checkbox';
  input.checked = checked;
  input.addEventListener('change', () => set(input.checked));
  const label = element('label', '', [input, ...(key ? [key] : []), element('span', '', [words])]);
  label.title = tip;
  return { label, input };
}

/** A number with its unit; `set` is called when the user has finished and it is a number. */
export function numberInput(name: string, tip: string, unit: string, set: (value: number) => void): { label: HTMLLabelElement; input: HTMLInputElement } {
  const input = element('input');
  Object.assign(input, { type: 'number', step: 'any', title: tip });
  input.addEventListener('input', () => typing.add(input));
  input.addEventListener('blur', () => typing.delete(input));
  input.addEventListener('change', () => {
    typing.delete(input);
    if (input.value !== '' && Number.isFinite(input.valueAsNumber)) set(input.valueAsNumber);
  });
  const label = element('label', 'locref-number', [element('span', '', [name]), input, ...(unit ? [element('span', 'locref-hint', [unit])] : [])]);
  label.title = tip;
  return { label, input };
}

export function slider(name: string, tip: string, low: number, high: number, step: number | 'any', set: (value: number) => void): HTMLInputElement {
  const input = element('input');
  Object.assign(input, { type: 'range', min: String(low), max: String(high), step: String(step), title: tip });
  input.setAttribute('aria-label', name);
  input.addEventListener('input', () => set(input.valueAsNumber));
  return input;
}

const typing = new WeakSet<HTMLInputElement>();

/** Set the value of an input unless the user is amid typing into it. */
export function show(input: HTMLInputElement, value: string): void {
  if (!typing.has(input) && input.value !== value) input.value = value;
}
