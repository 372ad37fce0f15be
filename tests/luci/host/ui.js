// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require dom';
'require uci';
'require validation';

const base = window.__host.base;
let overlay = null, serial = 0;

/* Input elements as `form` and views use them: render(), getValue(), setValue(), isValid(), triggerValidation(). */
const Field = baseclass.extend({
	__name__: 'ui.AbstractElement',

	__init__(value, options) {
		this.value = value;
		this.options = { optional: true, ...options };
		this.options.id ??= `host.${++serial}`;
	},

	fault() {
		return validation.fault(this.getValue(), this.options);
	},

	isValid() {
		return this.fault() == null || this.fault() === true;
	},

	getValidationError() {
		const fault = this.fault();
		return fault === true ? null : fault;
	},

	isChanged() {
		return JSON.stringify(this.getValue()) != JSON.stringify(this.value ?? null);
	},

	triggerValidation() {
		const fault = this.getValidationError();
		const inputs = this.node.matches('input, select, textarea') ? [ this.node ] :
			Array.from(this.node.querySelectorAll('input:not([type=hidden]), select, textarea'));
		for (const input of inputs) {
			input.classList.toggle('cbi-input-invalid', fault != null);
			fault ? input.setAttribute('data-tooltip', fault) : input.removeAttribute('data-tooltip');
		}
		return fault == null;
	},

	/* The frame that `form` finds its value by. */
	frame(node) {
		this.node = node;
		node.id = this.options.id;
		dom.bindClassInstance(node, this);
		for (const event of [ 'change', 'input' ])
			node.addEventListener(event, () => {
				this.triggerValidation();
				node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true }));
			});
		return node;
	},

	inputId() {
		return `widget.${this.options.id}`;
	}
});

const Textfield = Field.extend({
	__name__: 'ui.Textfield',

	render() {
		const input = E('input', {
			'id': this.inputId(), 'type': this.options.password ? 'password' : 'text', 'class': 'cbi-input-text',
			'name': this.options.name, 'placeholder': this.options.placeholder, 'readonly': this.options.readonly ? '' : null,
			'maxlength': this.options.maxlength, 'disabled': this.options.disabled ? '' : null,
			'value': this.value ?? '', 'aria-label': this.options['aria-label']
		});
		return this.frame(E('div', this.options.password ? { 'class': 'control-group' } : {}, [ input ]));
	},

	getValue() {
		return this.node.querySelector('input').value;
	},

	setValue(value) {
		this.node.querySelector('input').value = value ?? '';
	}
});

const Textarea = Field.extend({
	__name__: 'ui.Textarea',

	render() {
		return this.frame(E('div', { 'style': this.options.cols ? null : 'width:100%' }, [ E('textarea', {
			'id': this.inputId(), 'class': 'cbi-input-textarea', 'rows': this.options.rows, 'cols': this.options.cols,
			'placeholder': this.options.placeholder, 'readonly': this.options.readonly ? '' : null,
			'disabled': this.options.disabled ? '' : null,
			'style': `${this.options.cols ? '' : 'width:100%;'}${this.options.monospace ? 'font-family:monospace' : ''}`
		}, [ this.value ?? '' ]) ]));
	},

	getValue() {
		return this.node.querySelector('textarea').value;
	},

	setValue(value) {
		this.node.querySelector('textarea').value = value ?? '';
	}
});

const Checkbox = Field.extend({
	__name__: 'ui.Checkbox',

	on() {
		return this.options.value_enabled ?? '1';
	},

	render() {
		const input = E('input', {
			'id': this.inputId(), 'type': 'checkbox', 'name': this.options.name, 'value': this.on(),
			'checked': this.value == this.on() ? '' : null, 'disabled': this.options.disabled ? '' : null
		});
		return this.frame(E('div', { 'class': 'cbi-checkbox' }, [ input, E('label', { 'for': this.inputId() }, []) ]));
	},

	isChecked() {
		return this.node.querySelector('input').checked;
	},

	getValue() {
		return this.isChecked() ? this.on() : (this.options.value_disabled ?? '0');
	},

	setValue(value) {
		this.node.querySelector('input').checked = value == this.on();
	}
});

const Select = Field.extend({
	__name__: 'ui.Select',

	__init__(value, choices, options) {
		this.choices = choices;
		this.super('__init__', [ value, { widget: options?.multiple ? 'individual' : 'select', ...options } ]);
		if (!options?.multiple && this.options.optional)
			this.choices = { '': this.options.placeholder ?? base('-- Please choose --'), ...this.choices };
	},

	keys() {
		return this.options.sort && this.options.sort !== true ? this.options.sort : Object.keys(this.choices);
	},

	render() {
		const chosen = L.toArray(this.value).map(String), disabled = this.options.disabled ? '' : null;
		if (this.options.widget == 'select')
			return this.frame(E('div', {}, [ E('select', {
				'id': this.inputId(), 'class': 'cbi-input-select', 'name': this.options.name,
				'multiple': this.options.multiple ? '' : null, 'disabled': disabled
			}, this.keys().map(key => E('option', { 'value': key, 'selected': chosen.includes(key) ? '' : null },
				[ this.choices[key] ]))) ]));

		return this.frame(E('div', {}, this.keys().map((key, at) => E('span', { 'class': 'cbi-radio', 'style': 'display:block' }, [
			E('input', {
				'id': `${this.inputId()}.${at}`, 'type': this.options.multiple ? 'checkbox' : 'radio',
				'name': this.options.name ?? this.options.id, 'value': key, 'checked': chosen.includes(key) ? '' : null,
				'disabled': disabled
			}),
			' ', E('label', { 'for': `${this.inputId()}.${at}` }, [ this.choices[key] ])
		]))));
	},

	getValue() {
		const select = this.node.querySelector('select');
		const chosen = select ? Array.from(select.selectedOptions).map(one => one.value)
			: Array.from(this.node.querySelectorAll('input:checked')).map(one => one.value);
		return this.options.multiple ? chosen : (chosen[0] ?? null);
	},

	setValue(value) {
		const chosen = L.toArray(value).map(String);
		this.node.querySelectorAll('option').forEach(one => { one.selected = chosen.includes(one.value); });
		this.node.querySelectorAll('input').forEach(one => { one.checked = chosen.includes(one.value); });
	}
});

/* Several from a list; drawn as check boxes, where LuCI draws a drop-down of its own. */
const Dropdown = Select.extend({
	__name__: 'ui.Dropdown',

	__init__(value, choices, options) {
		this.super('__init__', [ value, choices, { ...options, widget: options?.multiple ? 'individual' : 'select' } ]);
	}
});

const DynamicList = Field.extend({
	__name__: 'ui.DynamicList',

	__init__(values, choices, options) {
		this.choices = choices;
		this.super('__init__', [ L.toArray(values), options ]);
	},

	item(value) {
		const remove = () => {
			item.remove();
			this.node.dispatchEvent(new Event('change'));
		};
		const item = E('div', {
			'class': 'item', 'tabindex': this.options.disabled ? null : 0, 'data-value': value,
			/* The cross at its right end. */
			'click': event => this.options.disabled || event.offsetX < item.clientWidth - 24 || remove(),
			'keydown': event => !this.options.disabled && [ 'Delete', 'Backspace' ].includes(event.key) && remove()
		}, [ E('span', [ this.choices?.[value] ?? value ]), E('input', { 'type': 'hidden', 'value': value }) ]);
		return item;
	},

	render() {
		const input = E('input', {
			'id': this.inputId(), 'type': 'text', 'class': 'cbi-input-text', 'placeholder': this.options.placeholder,
			'disabled': this.options.disabled ? '' : null,
			'keydown': event => {
				if (event.key == 'Enter') {
					event.preventDefault();
					add();
				}
			}
		});
		const add = () => {
			const text = input.value.trim();
			if (text == '' || validation.fault(text, { ...this.options, validate: null }))
				return;

			input.parentNode.before(this.item(text));
			input.value = '';
			this.node.dispatchEvent(new Event('change'));
		};
		return this.frame(E('div', { 'class': 'cbi-dynlist', 'disabled': this.options.disabled ? '' : null },
			this.value.map(value => this.item(value)).concat(E('div', { 'class': 'add-item' }, [
				input,
				E('div', {
					'class': 'btn cbi-button cbi-button-add', 'role': 'button', 'tabindex': 0, 'click': () => this.options.disabled || add(),
					'keydown': event => event.key == 'Enter' && add()
				}, [ '+' ])
			]))));
	},

	getValue() {
		const typed = this.node.querySelector('.add-item input').value.trim();
		return Array.from(this.node.querySelectorAll('.item')).map(item => item.dataset.value).concat(typed == '' ? [] : typed);
	},

	setValue(values) {
		this.node.querySelectorAll('.item').forEach(item => item.remove());
		L.toArray(values).forEach(value => this.node.lastChild.before(this.item(value)));
	}
});

const Hiddenfield = Field.extend({
	__name__: 'ui.Hiddenfield',
	render() {
		return this.frame(E('input', { 'type': 'hidden', 'value': this.value ?? '' }));
	},
	getValue() {
		return this.node.value;
	},
	setValue(value) {
		this.node.value = value ?? '';
	}
});

const ui = baseclass.extend({
	__name__: 'ui',
	AbstractElement: Field,
	Textfield, Textarea, Checkbox, Select, Dropdown, DynamicList, Hiddenfield,

	showModal(title, children, ...classes) {
		overlay ??= document.body.appendChild(E('div', { 'id': 'modal_overlay', 'tabindex': -1, 'keydown': event => {
			if (event.key == 'Escape')
				overlay.querySelector('.right > button, .right > .btn, .button-row > .btn')?.click();
		} }, [ E('div', { 'class': 'modal', 'role': 'dialog', 'aria-modal': 'true' }) ]));

		const modal = overlay.firstChild;
		modal.className = [ 'modal', ...classes ].join(' ');
		/* As in LuCI a title that is a bare string would be taken for HTML. */
		dom.content(modal, [ E('h4', {}, title) ]);
		dom.append(modal, children);
		document.body.classList.add('modal-overlay-active');
		overlay.scrollTop = 0;
		overlay.focus();
		return modal;
	},

	hideModal() {
		document.body.classList.remove('modal-overlay-active');
		document.getElementById('view')?.focus();
	},

	addNotification(title, children, ...classes) {
		const main = document.getElementById('maincontent');
		const message = E('div', { 'class': [ 'alert-message', 'fade-in', ...classes ].join(' ') }, [
			E('div', { 'style': 'flex:10' }),
			E('div', { 'style': 'flex:1 1 auto; display:flex' }, [ E('button', {
				'class': 'btn', 'style': 'margin-left:auto; margin-top:auto', 'click': () => message.remove()
			}, [ base('Dismiss') ]) ])
		]);
		if (title != null)
			dom.append(message.firstChild, E('h4', {}, title));
		dom.append(message.firstChild, children);
		main.prepend(message);
		return message;
	},

	addTimeLimitedNotification(title, children, timeout, ...classes) {
		const message = this.addNotification(title, children, ...classes);
		setTimeout(() => message.remove(), timeout);
		return message;
	},

	showIndicator(id, label, handler, style) {
		const place = document.getElementById('indicators');
		const old = place.querySelector(`span[data-indicator="${id}"]`);
		const span = old ?? place.appendChild(E('span', { 'data-indicator': id, 'data-clickable': !!handler, 'click': handler }));
		span.dataset.style = style ?? 'active';
		dom.content(span, [ label ]);
		return !old;
	},

	hideIndicator(id) {
		const span = document.querySelector(`#indicators span[data-indicator="${id}"]`);
		span?.remove();
		return !!span;
	},

	createHandlerFn(context, handler, ...given) {
		const fn = typeof handler == 'string' ? context[handler] : handler;
		if (typeof fn != 'function')
			throw new TypeError(`createHandlerFn(): ${handler} is no function`);

		return function (event) {
			const target = event.currentTarget;
			target.classList.add('spinning');
			target.disabled = true;
			target.blur?.();
			Promise.resolve(fn.apply(context, given.concat(event))).finally(() => {
				target.classList.remove('spinning');
				target.disabled = false;
			});
		};
	},

	tabs: {
		initTabGroup(panes) {
			const list = Array.from(panes ?? []);
			if (!list.length)
				return;

			const menu = E('ul', { 'class': 'cbi-tabmenu' });
			const select = name => list.forEach((pane, at) => {
				const on = pane.dataset.tab == name;
				pane.dataset.tabActive = on;
				menu.children[at].className = on ? 'cbi-tab' : 'cbi-tab-disabled';
				if (on)
					pane.dispatchEvent(new CustomEvent('cbi-tab-active', { detail: { tab: name } }));
			});
			for (const pane of list)
				menu.appendChild(E('li', { 'data-tab': pane.dataset.tab }, [ E('a', { 'href': '#', 'click': event => {
					event.preventDefault();
					select(pane.dataset.tab);
				} }, [ pane.dataset.tabTitle ]) ]));
			list[0].parentNode.insertBefore(menu, list[0]);
			list[0].parentNode.classList.add('cbi-section-node-tabbed');
			select((list.find(pane => pane.dataset.tabActive == 'true') ?? list[0]).dataset.tab);
		}
	},

	changes: {
		init: () => uci.changes(),

		displayChanges: () => uci.changes().then(changes => ui_.showModal([ base('Changes') ], [
			E('ul', Object.keys(changes).map(config => E('li', [ config ]))),
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn cbi-button', 'click': ui_.hideModal }, [ base('Close') ]), ' ',
				E('button', { 'class': 'btn cbi-button cbi-button-apply', 'click': () => ui_.changes.apply(true) }, [ base('Save & Apply') ])
			])
		])),

		/* What "Save & Apply" does: apply, confirm, say so, load the page again. */
		async apply() {
			ui_.showModal([ base('Applying configuration changes…') ], [ E('p', { 'class': 'spinning' }, [ base('Waiting for configuration to get applied…') ]) ], 'notice');
			try {
				await uci.apply();
				document.dispatchEvent(new CustomEvent('uci-applied'));
				ui_.showModal(null, [ E('p', [ base('Configuration changes applied.') ]) ], 'notice');
				setTimeout(() => {
					ui_.hideModal();
					location.reload();
				}, 300);
			}
			catch (error) {
				if (error === 5) {
					ui_.showModal(null, [ E('p', [ base('There are no changes to apply') ]) ], 'notice');
					setTimeout(ui_.hideModal, 300);
					return;
				}
				ui_.showModal([ base('Error') ], [ E('p', [ String(error?.message ?? error) ]),
					E('div', { 'class': 'right' }, [ E('button', { 'class': 'btn', 'click': ui_.hideModal }, [ base('Dismiss') ]) ]) ]);
			}
		}
	}
});

const ui_ = ui.prototype;
return ui;
