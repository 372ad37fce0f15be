// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require dom';
'require ui';

const base = window.__host.base;

const Value = baseclass.extend({
	__name__: 'form.Value',

	__init__(map, section, option, title, description) {
		this.map = map;
		this.section = section;
		this.config = map.config;
		this.option = option;
		this.title = title ?? '';
		this.description = description ?? '';
		this.deps = [];
		this.rmempty = true;
		this.optional = false;
		this.kept = {};
		this.fields = {};
	},

	words(value) {
		return typeof value == 'function' ? value.call(this) : value;
	},

	/* Choices. */
	value(key, label) {
		this.keylist ??= [];
		this.vallist ??= [];
		this.keylist.push(String(key));
		this.vallist.push(label ?? String(key));
	},

	choices() {
		return this.keylist ? Object.fromEntries(this.keylist.map((key, at) => [ key, this.vallist[at] ])) : null;
	},

	depends(field, value) {
		this.deps.push(typeof field == 'string' ? { [field]: value } : field);
	},

	/* One of the dependencies must hold whole. */
	isActiveByDepends(sid) {
		if (!this.deps.length)
			return true;

		return this.deps.some(one => {
			const holds = Object.keys(one).filter(name => name[0] != '!').every(name => {
				const found = this.map.lookupOption(name, sid);
				if (!found)
					return false;

				const [ option, of ] = found;
				const value = option.isActive(of) ? option.formvalue(of) : null, wanted = one[name];
				if (wanted instanceof RegExp)
					return wanted.test(value ?? '');
				if (one['!contains'])
					return L.toArray(value).includes(String(wanted));
				return wanted === true ? value != null && value != '' : String(value ?? '') == String(wanted);
			});
			return one['!reverse'] ? !holds : holds;
		});
	},

	cbid(sid) {
		return `cbid.${this.config}.${sid}.${this.option}`;
	},

	ucisection(sid) {
		return this.ucisection_ ?? sid;
	},

	load(sid) {
		return this.map.data.get(this.uciconfig ?? this.config, sid, this.ucioption ?? this.option);
	},

	keep(sid, value) {
		this.kept[sid] = value;
	},

	cfgvalue(sid, value) {
		if (arguments.length == 2)
			this.kept[sid] = value;
		return this.kept[sid];
	},

	initial(sid) {
		return this.cfgvalue(sid) ?? this.default ?? null;
	},

	textvalue(sid) {
		const value = this.cfgvalue(sid) ?? this.default;
		const labels = this.choices();
		return value == null ? null : L.toArray(value).map(one => labels?.[one] ?? one).join(', ');
	},

	frameOf(sid) {
		return this.fields[sid]?.frame ?? null;
	},

	getUIElement(sid) {
		return this.fields[sid]?.field ?? null;
	},

	formvalue(sid) {
		const field = this.getUIElement(sid);
		return field ? field.getValue() : null;
	},

	isActive(sid) {
		const frame = this.frameOf(sid);
		return frame == null || !frame.classList.contains('hidden');
	},

	validate: () => true,

	fieldOptions(sid) {
		return {
			id: this.cbid(sid), name: this.cbid(sid), optional: this.optional || this.rmempty, datatype: this.datatype,
			placeholder: this.words(this.placeholder), readonly: this.readonly, password: this.password,
			disabled: this.map.readonly || this.readonly === true,
			validate: value => {
				const said = this.validate(sid, value);
				return said === true || said == null ? null : String(said);
			}
		};
	},

	/* A list of choices beside a free value is drawn by LuCI as a combo box; here as a field with suggestions. */
	widget(sid, value) {
		const field = new ui.Textfield(Array.isArray(value) ? value.join(' ') : value, this.fieldOptions(sid));
		const node = field.render();
		if (this.keylist) {
			const id = `list.${this.cbid(sid)}`;
			node.appendChild(E('datalist', { id }, this.keylist.map((key, at) => E('option', { 'value': key }, [ this.vallist[at] ]))));
			node.querySelector('input').setAttribute('list', id);
		}
		return [ field, node ];
	},

	renderWidget(sid, index, value) {
		const [ field, node ] = this.widget(sid, value);
		this.fields[sid] = { ...this.fields[sid], field };
		return node;
	},

	async render(sid, inTable) {
		this.fields[sid] = {};
		const node = await this.renderWidget(sid, null, this.initial(sid));
		if (this.onchange)
			node.addEventListener('widget-change', event => this.onchange.call(this, event, sid, this.formvalue(sid)));

		if (inTable) {
			this.fields[sid].frame = node;
			return node;
		}

		const id = this.getUIElement(sid)?.inputId?.();
		const frame = E('div', {
			'class': 'cbi-value', 'id': `cbi-${this.config}-${sid}-${this.option}`, 'data-field': this.cbid(sid),
			'data-name': this.option, 'data-widget': this.__name__
		}, [
			this.title ? E('label', { 'class': 'cbi-value-title', 'for': id }, [ this.words(this.title) ]) : null,
			E('div', { 'class': 'cbi-value-field' }, [
				node,
				this.description ? E('div', { 'class': 'cbi-value-description' }, [ this.words(this.description) ]) : null
			])
		]);
		this.fields[sid].frame = frame;
		return frame;
	},

	async parse(sid) {
		const active = this.isActive(sid), value = this.formvalue(sid);
		if (active) {
			const field = this.getUIElement(sid);
			if (field && !field.isValid()) {
				field.triggerValidation();
				throw new TypeError(`${base('Option "%s" contains an invalid input value.').format(this.title || this.option)} ${field.getValidationError() ?? ''}`);
			}
			if (value == null || value === '' || (Array.isArray(value) && !value.length)) {
				if (this.rmempty || this.optional)
					return this.remove(sid);
				if (this.getUIElement(sid))
					throw new TypeError(base('Option "%s" must not be empty.').format(this.title || this.option));
				return null;
			}
			if (this.forcewrite || JSON.stringify(value) != JSON.stringify(this.cfgvalue(sid) ?? null))
				return this.write(sid, value);
			return null;
		}
		return this.retain ? null : this.remove(sid);
	},

	write(sid, value) {
		return this.map.data.set(this.uciconfig ?? this.config, sid, this.ucioption ?? this.option, value);
	},

	remove(sid) {
		if (this.cfgvalue(sid) != null)
			return this.map.data.unset(this.uciconfig ?? this.config, sid, this.ucioption ?? this.option);
		return null;
	}
});

const Flag = Value.extend({
	__name__: 'form.Flag',

	__init__(...given) {
		this.super('__init__', given);
		this.enabled = '1';
		this.disabled = '0';
		this.default = this.disabled;
	},

	widget(sid, value) {
		const field = new ui.Checkbox(value, { ...this.fieldOptions(sid), value_enabled: this.enabled, value_disabled: this.disabled });
		return [ field, field.render() ];
	},

	textvalue(sid) {
		return (this.cfgvalue(sid) ?? this.default) == this.enabled ? base('Yes') : base('No');
	},

	async parse(sid) {
		if (!this.isActive(sid))
			return this.retain ? null : this.remove(sid);

		const value = this.formvalue(sid);
		if (value == null)
			return null;
		if (value == this.default && (this.optional || this.rmempty))
			return this.remove(sid);
		return value != this.cfgvalue(sid) || this.forcewrite ? this.write(sid, value) : null;
	}
});

const ListValue = Value.extend({
	__name__: 'form.ListValue',

	widget(sid, value) {
		const field = new ui.Select(value, this.choices() ?? {}, { ...this.fieldOptions(sid), optional: this.optional, sort: this.keylist, widget: this.widget_ ?? 'select' });
		return [ field, field.render() ];
	}
});

const MultiValue = Value.extend({
	__name__: 'form.MultiValue',

	widget(sid, value) {
		const field = new ui.Dropdown(L.toArray(value), this.choices() ?? {}, { ...this.fieldOptions(sid), multiple: true, sort: this.keylist });
		return [ field, field.render() ];
	}
});

const DynamicList = Value.extend({
	__name__: 'form.DynamicList',

	widget(sid, value) {
		const field = new ui.DynamicList(L.toArray(value), this.choices(), this.fieldOptions(sid));
		return [ field, field.render() ];
	}
});

const TextValue = Value.extend({
	__name__: 'form.TextValue',

	widget(sid, value) {
		const field = new ui.Textarea(value, { ...this.fieldOptions(sid), rows: this.rows, cols: this.cols, monospace: this.monospace });
		return [ field, field.render() ];
	}
});

const HiddenValue = Value.extend({
	__name__: 'form.HiddenValue',

	widget(sid, value) {
		const field = new ui.Hiddenfield(value, this.fieldOptions(sid));
		return [ field, field.render() ];
	}
});

const DummyValue = Value.extend({
	__name__: 'form.DummyValue',

	renderWidget(sid, index, value) {
		if (this.rawhtml)
			throw new Error('DummyValue.rawhtml: HTML from a string is against the house rules');

		const shown = this.choices()?.[value] ?? value ?? '';
		return this.href ? E('a', { 'href': this.words(this.href) }, [ shown ]) : E('output', { 'id': this.cbid(sid) }, [ shown ]);
	},

	parse: async () => null,
	remove: () => null,
	write: () => null
});

const Button = Value.extend({
	__name__: 'form.Button',

	renderWidget(sid) {
		return E('button', {
			'class': `cbi-button cbi-button-${this.inputstyle ?? 'button'}`,
			'disabled': (this.readonly ?? this.map.readonly) || null,
			'click': ui.createHandlerFn({ click: event => this.onclick(event, sid) }, 'click')
		}, [ this.words(this.inputtitle) ?? this.words(this.title) ]);
	},

	parse: async () => null
});

return baseclass.extend({ Value, Flag, ListValue, MultiValue, DynamicList, TextValue, HiddenValue, DummyValue, Button });
