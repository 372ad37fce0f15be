// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';
'require form.values as values';

const base = window.__host.base;
const { Value } = values;

const Element = baseclass.extend({
	__name__: 'form.AbstractElement',

	__init__(title, description) {
		this.title = title ?? '';
		this.description = description ?? '';
		this.children = [];
	},

	append(child) {
		this.children.push(child);
	},

	/* Titles and descriptions may be functions or nodes; never HTML here. */
	words(value) {
		return typeof value == 'function' ? value.call(this) : value;
	}
});

const Map = Element.extend({
	__name__: 'form.Map',

	__init__(config, title, description) {
		this.super('__init__', [ title, description ]);
		this.config = config;
		this.data = uci;
		this.parsechain = [ config ];
		this.readonly = L.hasViewPermission() === false;
	},

	section(Class, ...given) {
		if (!Section.isSubclass(Class))
			throw new TypeError('Class must be a descendent of form.AbstractSection');

		const section = new Class(this, ...given);
		this.append(section);
		return section;
	},

	chain(config) {
		if (!this.parsechain.includes(config))
			this.parsechain.push(config);
	},

	load() {
		return Promise.resolve(this.data.load(this.parsechain)).then(() => Promise.all(this.children.map(section => section.load())));
	},

	async render() {
		await this.load();
		return this.renderContents();
	},

	async renderContents() {
		const node = this.root ??= E('div', { 'class': 'cbi-map', 'id': `cbi-${this.config}` });
		dom.bindClassInstance(node, this);
		dom.content(node, []);
		if (this.title)
			dom.append(node, E('h2', { 'name': 'content' }, [ this.words(this.title) ]));
		if (this.description)
			dom.append(node, E('div', { 'class': 'cbi-map-descr' }, [ this.words(this.description) ]));

		const sections = await Promise.all(this.children.map(section => section.render()));
		const place = this.tabbed ? node.appendChild(E('div', { 'class': 'cbi-map-tabbed' })) : node;
		sections.forEach((nodes, at) => {
			if (this.tabbed) {
				nodes.dataset.tab = this.children[at].sectiontype ?? at;
				nodes.dataset.tabTitle = this.words(this.children[at].title);
			}
			place.appendChild(nodes);
		});
		if (this.tabbed)
			ui.tabs.initTabGroup(place.children);

		node.addEventListener('widget-change', () => this.checkDepends());
		this.checkDepends();
		return node;
	},

	options() {
		return this.children.flatMap(section => section.children.map(option => [ section, option ]));
	},

	lookupOption(name, sid) {
		const path = name.split('.'), wanted = path[path.length - 1];
		if (path.length == 3)
			sid = path[1];
		for (const [ section, option ] of this.options())
			if (option.option == wanted && (sid == null || section.cfgsections().includes(sid)))
				return [ option, sid ?? section.cfgsections()[0] ];
		return null;
	},

	findElements(...selector) {
		return this.root.querySelectorAll(selector.join(''));
	},

	checkDepends() {
		for (let changed = true, rounds = 0; changed && rounds < 10; rounds++) {
			changed = false;
			for (const [ section, option ] of this.options())
				for (const sid of section.cfgsections()) {
					const frame = option.frameOf(sid);
					if (!frame)
						continue;
					const hidden = !option.isActiveByDepends(sid);
					if (frame.classList.contains('hidden') != hidden) {
						frame.classList.toggle('hidden', hidden);
						changed = true;
					}
				}
		}
	},

	async parse() {
		for (const section of this.children)
			await section.parse();
	},

	async save(callback, silent) {
		this.checkDepends();
		try {
			await this.parse();
			if (callback)
				await callback();
			await this.data.save();
			await this.load();
		}
		catch (error) {
			if (!silent)
				ui.showModal([ base('Save error') ], [
					E('p', [ base('An error occurred while saving the form:') ]),
					E('p', [ E('em', { 'style': 'white-space:pre-wrap' }, [ error.message ]) ]),
					E('div', { 'class': 'right' }, [ E('button', { 'class': 'cbi-button', 'click': ui.hideModal }, [ base('Dismiss') ]) ])
				]);
			throw error;
		}
		return this.renderContents();
	},

	reset() {
		return this.renderContents();
	}
});

/* The data of a JSONMap behind the same functions as those of uci. */
const Json = baseclass.extend({
	__init__(data) {
		this.data = data;
	},
	load: () => Promise.resolve(),
	save: () => Promise.resolve(),
	sections(config, type) {
		const own = this.data[type];
		return Array.isArray(own) ? own.map((one, at) => ({ ...one, '.name': `${type}${at}`, '.type': type }))
			: (own ? [ { ...own, '.name': type, '.type': type } ] : []);
	},
	place(sid) {
		const found = /^(.*?)(\d+)$/.exec(sid);
		return this.data[sid] ?? (found ? this.data[found[1]]?.[found[2]] : null);
	},
	get(config, sid, option) {
		const place = this.place(sid);
		return option == null ? place : (place?.[option] ?? null);
	},
	set(config, sid, option, value) {
		this.place(sid)[option] = value;
	},
	unset(config, sid, option) {
		delete this.place(sid)[option];
	}
});

const JSONMap = Map.extend({
	__name__: 'form.JSONMap',

	__init__(data, ...given) {
		this.super('__init__', [ 'json', ...given ]);
		this.data = new Json(data);
	}
});

const Section = Element.extend({
	__name__: 'form.AbstractSection',

	__init__(map, sectiontype, title, description) {
		this.super('__init__', [ title, description ]);
		this.map = map;
		this.config = map.config;
		this.sectiontype = sectiontype;
		this.optional = true;
		this.addremove = false;
		this.tabs = [];
	},

	cfgsections() {
		throw new Error('not of a section that is drawn');
	},

	filter: () => true,

	tab(name, title, description) {
		this.tabs.push({ name, title, description });
	},

	option(Class, name, title, description) {
		if (!Value.isSubclass(Class) && Class !== Value)
			throw new TypeError('Class must be a descendent of form.AbstractValue');

		const option = new Class(this.map, this, name, title, description);
		this.append(option);
		return option;
	},

	taboption(tab, ...given) {
		if (!this.tabs.some(one => one.name == tab))
			throw new ReferenceError(`Associated tab not declared: ${tab}`);

		const option = this.option(...given);
		option.tab = tab;
		return option;
	},

	async load() {
		for (const sid of this.cfgsections())
			for (const option of this.children)
				option.keep(sid, await option.load(sid));
	},

	async parse() {
		for (const sid of this.cfgsections())
			for (const option of this.children)
				await option.parse(sid);
	},

	async renderOptions(sid) {
		const frames = await Promise.all(this.children.map(option => option.render(sid)));
		if (!this.tabs.length)
			return frames;

		const panes = this.tabs.map(tab => E('div', { 'data-tab': tab.name, 'data-tab-title': tab.title }, [
			tab.description ? E('div', { 'class': 'cbi-tab-descr' }, [ tab.description ]) : null,
			...frames.filter((frame, at) => this.children[at].tab == tab.name)
		]));
		const node = E('div', panes);
		ui.tabs.initTabGroup(panes);
		return [ node, ...frames.filter((frame, at) => !this.children[at].tab) ];
	},

	head() {
		return [
			this.title && !this.map.tabbed ? E('h3', [ this.words(this.title) ]) : null,
			this.description ? E('div', { 'class': 'cbi-section-descr' }, [ this.words(this.description) ]) : null
		];
	},

	removeButton(sid) {
		return E('button', {
			'class': 'btn cbi-button cbi-button-remove', 'name': `cbi.rts.${this.config}.${sid}`,
			'disabled': this.map.readonly || null,
			'click': ui.createHandlerFn(this, 'handleRemove', sid)
		}, [ base('Delete') ]);
	},

	handleRemove(sid) {
		this.map.data.remove(this.config, sid);
		return this.map.save(null, true);
	},

	async handleAdd(event, name) {
		this.map.data.add(this.config, this.sectiontype, name);
		return this.map.save(null, true);
	},

	addRow() {
		if (!this.addremove)
			return null;

		const label = this.words(this.addbtntitle) ?? base('Add');
		const input = this.anonymous ? null : E('input', { 'type': 'text', 'class': 'cbi-section-create-name', 'aria-label': label });
		const add = event => {
			if (!input)
				return this.handleAdd(event);
			if (/^[A-Za-z0-9_]+$/.test(input.value))
				return this.handleAdd(event, input.value);
		};
		return E('div', { 'class': 'cbi-section-create' }, [ input, E('button', {
			'class': 'cbi-button cbi-button-add', 'disabled': this.map.readonly || null,
			'click': ui.createHandlerFn({ add }, 'add')
		}, [ label ]) ]);
	}
});

const NamedSection = Section.extend({
	__name__: 'form.NamedSection',

	__init__(map, name, type, ...given) {
		this.super('__init__', [ map, type, ...given ]);
		this.section = name;
	},

	cfgsections() {
		return [ this.section ];
	},

	async render() {
		const there = this.map.data.get(this.config, this.section) != null;
		return E('div', { 'class': 'cbi-section', 'id': `cbi-${this.config}-${this.section}`, 'data-section-id': this.section }, [
			...this.head(),
			there ? E('div', { 'class': 'cbi-section-node' }, await this.renderOptions(this.section)) : null,
			there && this.addremove ? E('div', { 'class': 'cbi-section-remove right' }, [ this.removeButton(this.section) ]) : null
		]);
	}
});

const TypedSection = Section.extend({
	__name__: 'form.TypedSection',

	cfgsections() {
		return this.map.data.sections(this.config, this.sectiontype).map(one => one['.name']).filter(sid => this.filter(sid));
	},

	empty() {
		return E('em', [ base('This section contains no values yet') ]);
	},

	async render() {
		const blocks = [];
		for (const sid of this.cfgsections())
			blocks.push(
				this.addremove ? E('div', { 'class': 'cbi-section-remove right' }, [ this.removeButton(sid) ]) : null,
				this.anonymous ? null : E('h3', [ sid.toUpperCase() ]),
				E('div', { 'id': `cbi-${this.config}-${sid}`, 'class': 'cbi-section-node', 'data-section-id': sid }, await this.renderOptions(sid)));
		return E('div', { 'class': 'cbi-section', 'id': `cbi-${this.config}-${this.sectiontype}` },
			[ ...this.head(), ...(blocks.length ? blocks : [ this.empty() ]), this.addRow() ]);
	}
});

const TableSection = TypedSection.extend({
	__name__: 'form.TableSection',

	columns() {
		return this.children.filter(option => !option.modalonly);
	},

	async cell(option, sid) {
		const frame = await option.render(sid, true);
		return E('td', { 'class': 'td cbi-value-field', 'data-title': this.words(option.title), 'data-name': option.option }, [ frame ]);
	},

	rowButtons(sid) {
		return this.addremove ? [ this.removeButton(sid) ] : [];
	},

	async render() {
		const columns = this.columns(), rows = [];
		for (const sid of this.cfgsections())
			rows.push(E('tr', { 'class': 'tr cbi-section-table-row', 'id': `cbi-${this.config}-${sid}`, 'data-sid': sid, 'data-section-id': sid }, [
				...await Promise.all(columns.map(option => this.cell(option, sid))),
				E('td', { 'class': 'td cbi-section-table-cell nowrap cbi-section-actions' }, [ E('div', this.rowButtons(sid)) ])
			]));
		return E('div', { 'class': 'cbi-section cbi-tblsection', 'id': `cbi-${this.config}-${this.sectiontype}` }, [
			...this.head(),
			E('table', { 'class': 'table cbi-section-table' }, [
				E('tr', { 'class': 'tr cbi-section-table-titles' }, [
					...columns.map(option => E('th', { 'class': 'th cbi-section-table-cell' }, [ this.words(option.title) ])),
					E('th', { 'class': 'th cbi-section-table-cell cbi-section-actions' }, [])
				]),
				...(rows.length ? rows : [ E('tr', { 'class': 'tr cbi-section-table-row placeholder' }, [ E('td', { 'class': 'td' }, [ this.empty() ]) ]) ])
			]),
			this.addRow()
		]);
	}
});

/* A table whose rows are shown as text and edited in a window. */
const GridSection = TableSection.extend({
	__name__: 'form.GridSection',

	async cell(option, sid) {
		const shown = option.editable ? await option.render(sid, true) : await option.textvalue(sid);
		return E('td', { 'class': 'td cbi-value-field', 'data-title': this.words(option.title), 'data-name': option.option }, [ shown ?? '' ]);
	},

	rowButtons(sid) {
		return [ E('button', {
			'class': 'btn cbi-button cbi-button-edit', 'disabled': this.map.readonly || null,
			'click': ui.createHandlerFn(this, 'renderMoreOptionsModal', sid)
		}, [ base('Edit') ]), ...this.super('rowButtons', [ sid ]) ];
	},

	modaltitle: null,

	async renderMoreOptionsModal(sid) {
		const inner = new Map(this.config, null, null), one = inner.section(NamedSection, sid, this.sectiontype);
		one.tabs = this.tabs;
		for (const option of this.children) {
			if (option.modalonly === false)
				continue;
			const copy = Object.create(option);
			Object.assign(copy, { map: inner, section: one, kept: {}, fields: {} });
			one.append(copy);
		}
		const nodes = await inner.render();
		ui.showModal([ typeof this.modaltitle == 'function' ? this.modaltitle(sid) : (this.modaltitle ?? sid) ], [
			nodes,
			E('div', { 'class': 'right button-row' }, [
				E('button', { 'class': 'btn cbi-button', 'click': ui.createHandlerFn(this, () => {
					ui.hideModal();
					return this.map.renderContents();
				}) }, [ base('Dismiss') ]), ' ',
				E('button', { 'class': 'btn cbi-button cbi-button-positive important', 'click': ui.createHandlerFn(this, async () => {
					await inner.save(null, true).catch(() => {});
					await this.map.load();
					await this.map.renderContents();
					ui.hideModal();
				}) }, [ base('Save') ])
			])
		], 'cbi-modal');
	}
});

const { __name__: ignored, constructor: neither, ...kinds } = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(values));
const classes = Object.fromEntries(Object.entries(kinds).map(([ name, kind ]) => [ name, kind.value ]));

return baseclass.extend({ Map, JSONMap, AbstractSection: Section, NamedSection, TypedSection, TableSection, GridSection, ...classes });
