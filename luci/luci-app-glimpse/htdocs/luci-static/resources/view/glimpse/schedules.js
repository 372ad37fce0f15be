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
const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

const list = L.toArray;
const get = (name, option) => uci.get('glimpse', name, option);
/* The 1st of January 2024 was a Monday. Settings have days by number or name. */
const day = name => WEEK[name - 1] || name.toLowerCase().slice(0, 3);
const weekday = name => new Date(2024, 0, WEEK.indexOf(day(name)) + 1).toLocaleDateString(words.lang, { weekday: 'short' });
const times = (title, one) => ({ type: 'string', title, when: ['timing', 'calendar'], pattern: '(%s)( *, *(%s))*'.format(one, one), description: _('such as 8, 20') });

/* A timing in words. */
function when(timing) {
	const kind = Object.keys(timing || {})[0];
	const t = (timing || {})[kind] || {};
	const all = given => list(given).length ? given.map(n => '%02d'.format(n)) : ['*'];
	const minutes = t.interval / 60000;

	switch (kind) {
	case 'periodic':
		return _('every %s').format(minutes % 60 ? N_(minutes, '%d minute', '%d minutes').format(minutes) : words.span(minutes * 60));
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

	render(loaded) {
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
			page.section(_('Yours'), [E('p', {}, [_('Your own: not capped, and sent to nobody.')]), this.own,
				this.methods.length ? page.button(_('Add'), 'add', () => this.edit()) : '']),
			page.section(_('Asked by the platform'), [this.asked])
		]);
	},

	draw() {
		const show = (place, key, list, none, titles, row) => page.update(this[place], [list, key], () => [list.length ? page.table([...titles, ''], list.map(row)) : E('p', {}, [none])]);

		show('own', this.answer, uci.sections('glimpse', 'schedule'), _('None yet.'), [_('What'), _('When'), _('Next')], one => this.mine(one));
		show('asked', get('limits'), this.answer.filter(one => !one.own), _('Nobody has asked for anything.'),
			[_('Who'), _('What'), _('When'), _('A month at most')], one => this.theirs(one));
	},

	mine(section) {
		const name = section['.name'];
		const on = section.enabled != '0';
		const title = section.title || name;
		const { next, error, timing } = this.answer.find(one => one.own && one.id == name) || {};

		return [
			[E('b', {}, [title]), E('br'), words.method(section.method)], [timing ? when(timing) : TIMINGS[section.timing]], [error || (!on ? _('paused') : next ? words.ago(next) : '–')],
			[page.div('gl-actions', [
				page.button(_('Run now'), 'action', () => agent.run({ schedule: name }).then(job => agent.follow(job.id)).then(() => location = page.url('history')).catch(page.notify)),
				this.methods.length ? page.button(_('Edit'), 'edit', () => this.edit(section)) : '',
				page.button(on ? _('Pause') : _('Resume'), 'neutral', () => this.change(() => uci.set('glimpse', name, 'enabled', on ? '0' : '1'))),
				page.button(_('Delete'), 'negative', () => confirm(_('Delete "%s"?').format(title)) && this.change(() => uci.remove('glimpse', name)))
			])]
		];
	},

	theirs({ id, asked_by, purpose, title, methods, targets, timing, paused, forbidden, next, monthly_bytes }) {
		const toggle = (option, value, off, on) => page.button(list(get('limits', option)).includes(value) ? on : off, 'neutral', () => this.limit(option, value));

		return [
			[E('b', {}, [asked_by.name || asked_by.door]), E('br'), purpose || title || id], [methods.map(words.method).join(', '), E('br'), list(targets).join(', ')],
			[when(timing), E('br'), paused || forbidden ? _('paused') : next ? words.ago(next) : ''], [monthly_bytes == null ? '–' : words.bytes(monthly_bytes)],
			[page.div('gl-actions', [toggle('paused', id, _('Pause'), _('Resume')), ...methods.map(method =>
				toggle('forbidden_methods', method, _('Forbid: %s').format(words.method(method)), _('Allow: %s').format(words.method(method))))])]
		];
	},

	limit(option, value) {
		return this.change(() => {
			const now = list(get('limits', option));

			if (!get('limits'))
				uci.add('glimpse', 'limits', 'limits');
			uci.set('glimpse', 'limits', option, now.includes(value) ? now.filter(one => one != value) : [...now, value]);
		});
	},

	/* Changes the settings and puts them in force, once the change before is: rpcd refuses a second one until then. */
	change(edit) {
		return this.done = Promise.resolve(this.done).then(edit).then(() => uci.save()).then(() => uci.apply()).then(() => this.draw()).catch(page.notify);
	},

	edit(section) {
		const given = Object.assign({ method: 'ping', timing: 'periodic', every_minutes: 30 }, section);
		const place = E('div', {}, []);
		const form = fields.make({ required: ['title', 'every_minutes', 'at', 'hour', 'minute'], properties: {
			title: { type: 'string', title: _('Name'), maxLength: 64 },
			timing: { type: 'string', title: _('When'), enum: Object.keys(TIMINGS), words: TIMINGS },
			every_minutes: { type: 'integer', title: _('Minutes between'), minimum: 1, maximum: 527040, when: ['timing', 'periodic'] },
			at: { type: 'string', input: 'datetime-local', title: _('Time'), when: ['timing', 'oneoff'] },
			weekday: { type: 'set', title: _('Days'), description: _('none: daily'), enum: WEEK, words: new Proxy({}, { get: (none, name) => weekday(name) }), when: ['timing', 'calendar'] },
			hour: times(_('Hours'), '[01]?[0-9]|2[0-3]'), minute: times(_('Minutes'), '[0-5]?[0-9]'),
			method: { type: 'string', title: _('Measurement'), enum: this.methods.map(one => one.name),
				words: new Proxy({}, { get: (none, name) => words.method(name) }) }
		} }, Object.assign({}, given, {
			at: given.at && new Date(given.at).toLocaleString('sv').slice(0, 16).replace(' ', 'T'),
			weekday: list(given.weekday).map(day), hour: list(given.hour).join(', '), minute: list(given.minute).join(', ')
		}));
		const method = form.node.querySelector('#gl-method');
		let options = null;
		const choose = () => {
			const chosen = this.methods.find(one => one.name == method.value);
			const had = {};

			list(method.value == given.method ? given.option : []).forEach(pair => had[pair.split('=')[0]] = pair.slice(pair.indexOf('=') + 1));
			options = fields.options(chosen, had);
			dom.content(place, [options.node]);
		};

		method.addEventListener('change', choose);
		choose();
		ui.showModal([section ? _('Edit') : _('Add')], [form.node, place, page.div('right', [
			page.button(_('Cancel'), '', ui.hideModal), ' ', page.button(_('Save'), 'save', () => this.store(section, form.read(), options.read()))
		])]);
	},

	store(section, values, options) {
		const name = section ? section['.name'] : 'own' + Date.now().toString(36);

		if (!values || !options)
			return;
		values.option = Object.keys(options).map(option => option + '=' + options[option]);
		values.at = values.at && new Date(values.at).toISOString();
		['hour', 'minute'].forEach(list => values[list] = (values[list] || '').match(/\d+/g));
		ui.hideModal();
		return this.change(() => {
			if (!section)
				uci.add('glimpse', 'schedule', name);
			['title', 'method', 'option', 'timing', 'every_minutes', 'at', 'weekday', 'hour', 'minute'].forEach(option =>
				uci.set('glimpse', name, option, String(values[option] || '') ? values[option] : null));
		});
	}
});
