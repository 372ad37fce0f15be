// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require uci';
'require ui';
'require glimpse.page as page';
'require glimpse.words as words';
'require glimpse.rpc as agent';
'require glimpse.fields as fields';

/* What is measured regularly: by the household's own wish, which is UCI, and by the platform's, which it can pause or forbid. */

const TIMINGS = { periodic: _('again and again'), calendar: _('at times of day'), oneoff: _('once, later'), immediate: _('once, now'), ondemand: _('only by hand') };
const WEEK = ['1', '2', '3', '4', '5', '6', '7'];

const list = value => L.toArray(value);
const get = (name, option) => uci.get('glimpse', name, option);
const weekday = n => new Date(2024, 0, n).toLocaleDateString(words.lang, { weekday: 'short' });
const times = title => ({ type: 'string', title, when: ['timing', 'calendar'], pattern: '[0-9]+( *,? *[0-9]+)*', description: _('such as 8, 20') });

/* A section's timing as the protocol has it. */
const timing = ({ timing, every_minutes, at, hour, minute, weekday }) => ({ [timing]: { interval: every_minutes * 60000, time: at,
	hours: list(hour), minutes: list(minute), days_of_week: list(weekday) } });

/* A timing in words. */
function when(timing) {
	const kind = Object.keys(timing || {})[0];
	const t = (timing || {})[kind] || {};
	const all = given => list(given).length ? given.map(n => '%02d'.format(n)) : ['*'];
	const seconds = t.interval / 1000;

	switch (kind) {
	case 'periodic':
		return _('every %s').format(seconds % 60 || seconds % 3600 == 0 ? words.span(seconds) : N_(seconds / 60, '%d minute', '%d minutes').format(seconds / 60));
	case 'oneoff':
		return _('once: %s').format(words.absolute(t.time));
	case 'calendar':
		return ([...list(t.days_of_week).map(weekday), ...list(t.days_of_month).map(n => n + '.'), ...list(t.months).map(n => '*.' + n)].join(', ') || _('daily')) +
			' · ' + all(t.hours).map(hour => all(t.minutes).map(minute => hour + ':' + minute).join(', ')).join(', ');
	default:
		return TIMINGS[kind] || '–';
	}
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: () => Promise.all([uci.load('glimpse').catch(() => null), agent.capabilities().catch(() => ({}))]),

	render: function(loaded) {
		const trouble = E('div', {}, []);

		this.methods = loaded[1].methods || [];
		this.answer = [];
		['own', 'asked'].forEach(place => this[place] = E('div', {}, []));
		this.draw();
		page.live(trouble, agent.schedules, answer => {
			this.answer = answer.schedules || [];
			this.draw();
		}, 15);
		return page.frame(_('Schedules'), [trouble,
			page.section(_('Yours'), [E('p', {}, [_('They stay here, do not count against the cap, and are sent to nobody.')]), this.own,
				this.methods.length ? page.button(_('Add'), 'add', () => this.edit()) : '']),
			page.section(_('Asked by the platform'), [this.asked])
		]);
	},

	draw: function() {
		const show = (place, key, list, none, titles, row) => page.update(this[place], [list, key], () => [list.length ? page.table([...titles, ''], list.map(row)) : none]);

		show('own', this.answer, uci.sections('glimpse', 'schedule'), _('None yet.'), [_('What'), _('When'), _('Next')], one => this.mine(one));
		show('asked', get('limits'), this.answer.filter(one => !one.own), _('Nobody has asked for anything.'),
			[_('Who'), _('What'), _('When'), _('A month at most')], one => this.theirs(one));
	},

	mine: function(section) {
		const name = section['.name'];
		const on = section.enabled != '0';
		const title = section.title || name;
		const { next } = this.answer.find(one => one.own && one.id == name) || {};

		return [
			[E('b', {}, [title]), E('br'), words.method(section.method)], [when(timing(section))], [!on ? _('paused') : next ? words.ago(next) : '–'],
			[page.div('gl-actions', [
				page.button(_('Run now'), 'action', () => agent.run({ schedule: name }).then(job => agent.follow(job.id)).then(() => location = page.url('history')).catch(page.notify)),
				page.button(_('Edit'), 'edit', () => this.edit(section)),
				page.button(on ? _('Pause') : _('Resume'), 'neutral', () => this.change(() => uci.set('glimpse', name, 'enabled', on ? '0' : '1'))),
				page.button(_('Delete'), 'negative', () => confirm(_('Delete "%s"?').format(title)) && this.change(() => uci.remove('glimpse', name)))
			])]
		];
	},

	theirs: function({ id, asked_by, purpose, title, methods, targets, timing, paused, forbidden, next, monthly_bytes }) {
		const toggle = (option, value, off, on) => page.button(list(get('limits', option)).includes(value) ? on : off, 'neutral', () => this.limit(option, value));

		return [
			[E('b', {}, [asked_by.name || asked_by.door]), E('br'), purpose || title || id], [methods.map(words.method).join(', '), E('br'), list(targets).join(', ')],
			[when(timing), E('br'), paused || forbidden ? _('paused') : next ? words.ago(next) : ''], [monthly_bytes == null ? '–' : words.bytes(monthly_bytes)],
			[page.div('gl-actions', [toggle('paused', id, _('Pause'), _('Resume')), ...methods.map(method =>
				toggle('forbidden_methods', method, _('Forbid: %s').format(words.method(method)), _('Allow: %s').format(words.method(method))))])]
		];
	},

	limit: function(option, value) {
		const now = list(get('limits', option));

		return this.change(() => {
			if (!get('limits'))
				uci.add('glimpse', 'limits', 'limits');
			uci.set('glimpse', 'limits', option, now.includes(value) ? now.filter(one => one != value) : [...now, value]);
		});
	},

	/* Changes the settings and puts them in force. */
	change: function(edit) {
		edit();
		return uci.save().then(() => uci.apply()).then(() => this.draw()).catch(error => page.notify(new Error(_('The settings could not be saved: %s').format(error.message || error))));
	},

	edit: function(section) {
		const given = Object.assign({ method: 'ping', timing: 'periodic', every_minutes: 30 }, section);
		const place = E('div', {}, []);
		const form = fields.make({ required: ['title'], properties: {
			title: { type: 'string', title: _('Name'), maxLength: 64 },
			timing: { type: 'string', title: _('When'), enum: Object.keys(TIMINGS), words: TIMINGS },
			every_minutes: { type: 'integer', title: _('Minutes between'), minimum: 1, maximum: 500000, when: ['timing', 'periodic'] },
			at: { type: 'string', input: 'datetime-local', title: _('Time'), when: ['timing', 'oneoff'] },
			weekday: { type: 'set', title: _('Days'), description: _('none: daily'), enum: WEEK, words: [''].concat(WEEK.map(weekday)), when: ['timing', 'calendar'] },
			hour: times(_('Hours')), minute: times(_('Minutes')),
			method: { type: 'string', title: _('Measurement'), enum: this.methods.map(one => one.name),
				words: new Proxy({}, { get: (none, name) => words.method(name) }) }
		} }, Object.assign({}, given, {
			at: given.at && new Date(new Date(given.at) - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16),
			weekday: list(given.weekday), hour: list(given.hour).join(', '), minute: list(given.minute).join(', ')
		}));
		const method = form.node.querySelector('#gl-method');
		let options = null;
		const choose = () => {
			const chosen = this.methods.find(one => one.name == method.value);
			const pairs = method.value == given.method ? list(given.option) : [];

			options = fields.options(chosen, pairs.map(pair => pair.match(/^([^=]*)=(.*)$/)).filter(Boolean).reduce((all, [, name, value]) => (all[name] = value, all), {}));
			dom.content(place, [options.node]);
		};

		method.addEventListener('change', choose);
		choose();
		ui.showModal([section ? _('Edit') : _('Add')], [form.node, place, page.div('right', [
			page.button(_('Cancel'), '', ui.hideModal), ' ', page.button(_('Save'), 'save', () => this.store(section, form.read(), options.read()))
		])]);
	},

	store: function(section, values, options) {
		let name = section && section['.name'];

		if (!values || !options)
			return;
		for (let n = 1; !name; n++)
			name = get('own' + n) ? null : 'own' + n;
		values.option = Object.keys(options).map(option => option + '=' + options[option]);
		values.at = values.at && new Date(values.at).toISOString();
		['hour', 'minute'].forEach(list => values[list] = (values[list] || '').match(/\d+/g));
		ui.hideModal();
		return this.change(() => {
			if (!section)
				uci.add('glimpse', 'schedule', name);
			['title', 'method', 'option', 'timing', 'every_minutes', 'at', 'weekday', 'hour', 'minute'].forEach(option =>
				uci.set('glimpse', name, option, [].concat(values[option]).join('') == '' ? null : Array.isArray(values[option]) ? values[option] : String(values[option])));
		});
	}
});
