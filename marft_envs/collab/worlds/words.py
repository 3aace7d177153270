"""Everyday words, what can be said of them, and what comes to mind at once and is forbidden.

    lion: wild big hunts yellow hot proud | king mane roar

A word, its attributes, and its taboo words. Of the words of one category no two have the same attributes, and none has
all those of another one, so that all attributes of a word tell it from every other. A test sees to it.
"""

from dataclasses import dataclass

import numpy as np

_WORDS = """
# animal
lion: wild big hunts yellow hot dangerous | king mane roar
tiger: wild big hunts orange lines dangerous | stripes cat jungle
elephant: wild huge grey plants clever heavy | trunk tusk ivory
dog: pet loyal walks guards playful smells | bark puppy bone
cat: pet soft night climbs quiet hunts | kitten meow mouse
horse: farm big fast ridden plants strong | saddle gallop pony
cow: farm big slow plants spotted horned | milk moo beef
pig: farm pink fat dirty clever smells | pork bacon mud
sheep: farm soft white plants herd timid | wool lamb shepherd
goat: farm climbs horned beard plants stubborn | cheese billy kid
chicken: farm small feathers eaten pecks walks | egg hen rooster
duck: feathers swims flies pond eaten small | quack bill donald
eagle: feathers flies hunts high sharp proud | bald nest bird
owl: feathers flies night hunts quiet wise | hoot bird wizard
penguin: feathers swims cold black white walks | ice flipper bird
shark: sea hunts grey swims dangerous teeth | fin jaws fish
whale: sea huge swims sings deep grey | fish blubber ocean
dolphin: sea swims clever playful jumps grey | fish flipper porpoise
frog: small green jumps pond wet sings | toad tadpole croak
snake: long crawls poison cold quiet dangerous | bite hiss venom
spider: tiny legs threads hunts quiet poison | web bug silk
bee: tiny flies flowers busy yellow herd | honey sting hive
mouse: tiny grey timid quiet night farm | cheese cat rat
rabbit: small soft jumps ears pet plants | carrot bunny hop
bear: wild big brown strong sleeps dangerous | honey grizzly cave
monkey: wild climbs clever playful jumps noisy | banana ape tree
# food
apple: fruit round red crunchy sweet tree | pie cider eve
banana: fruit long yellow soft sweet hot | peel monkey bunch
orange: fruit round peeled sweet hot tree | juice color citrus
lemon: fruit yellow sour juicy tree hot | lime citrus ade
grape: fruit tiny round juicy purple bunch | wine vine raisin
cherry: fruit tiny round red stone tree | pie pit blossom
strawberry: fruit red soft seeds sweet ground | cream jam berry
carrot: vegetable orange long crunchy ground raw | rabbit root bugs
potato: vegetable brown ground cooked filling round | chips fries mash
tomato: red round juicy soft salad sauce | ketchup vegetable pasta
onion: vegetable round layers sharp ground cooked | cry tears ring
garlic: vegetable white sharp tiny ground smells | vampire clove breath
bread: baked brown daily filling cut soft | loaf butter toast
cheese: yellow old cut smells salty dairy | milk mouse pizza
butter: yellow soft fat dairy spread daily | bread cream milk
egg: white round breakfast shell cooked filling | chicken yolk hen
rice: white tiny cooked filling asia grain | paddy china sushi
pasta: long cooked filling italy sauce wheat | spaghetti noodle macaroni
pizza: round baked italy hot cut sauce | cheese slice pepperoni
soup: wet hot bowl spoon cooked starter | broth chicken noodle
cake: baked sweet birthday layers cut soft | party candle icing
cookie: baked sweet crunchy small round snack | biscuit chocolate chip
chocolate: sweet brown melts snack gift bitter | cocoa candy bar
honey: sweet yellow sticky spread natural breakfast | bee hive bear
sugar: sweet white grain tiny coffee melts | cane candy sweetener
salt: white grain tiny sea salad daily | pepper shaker sodium
# clothing
shirt: top buttons cotton arms office thin | collar tie sleeve
sweater: top warm wool winter soft thick | pullover knit jumper
coat: top warm winter long outdoors thick | jacket fur hanger
jacket: top zip outdoors pockets arms leather | coat suit blazer
vest: top arms-free under suit buttons light | waistcoat sleeveless bulletproof
dress: women long elegant summer party one-piece | skirt gown wedding
skirt: women legs summer waist short swings | dress mini kilt
trousers: legs long pockets waist office zip | pants jeans slacks
jeans: legs blue cotton tough pockets casual | denim pants levi
shorts: legs short summer casual waist sport | pants bermuda knee
socks: feet pair soft under cotton thin | shoe foot stocking
shoes: feet pair laces leather walking outdoors | sock foot boot
boots: feet pair high winter tough leather | shoe rain puss
sandals: feet pair summer open beach light | shoe flip toe
slippers: feet pair home soft warm evening | shoe glass bedroom
hat: head outdoors brim sun elegant round | cap wear top
cap: head sport casual sun visor light | hat baseball wear
helmet: head hard safety bike sport round | protect hat crash
scarf: neck warm winter long wool wrapped | shawl wear knot
tie: neck office elegant men silk knot | bow suit shirt
gloves: hands pair warm winter ski leather | mitten boxing finger
belt: waist leather buckle long holds men | strap trousers loop
pajamas: night home soft cotton casual two-piece | sleep bed nightgown
bikini: women beach summer swimming tiny two-piece | swimsuit pool bra
# tool
hammer: hits metal heavy wood builder hand | nail thor pound
saw: cuts teeth wood metal builder noisy | blade chain see
drill: turns electric dentist noisy builder wall | bit hole bore
screwdriver: turns hand thin metal builder cross | screw driver head
wrench: turns hand metal heavy plumber grips | bolt nut spanner
pliers: grips hand metal two-handled wire bends | pinch tongs nippers
axe: cuts heavy wood outdoors swung sharp | chop lumberjack hatchet
knife: cuts sharp kitchen thin small metal | blade fork stab
scissors: cuts paper two-handled office sharp small | hair shears stone
shovel: digs garden long heavy snow ground | spade dirt hole
rake: garden leaves long teeth autumn gathers | fall lawn hoe
broom: sweeps floor long indoors witch dust | brush clean fly
brush: paint hair small wall soft hand | comb tooth bristle
ladder: climbs high long wall builder leans | step rung snake
rope: ties long soft climbs bends pulls | string knot cord
bucket: carries water round handle cleaning garden | pail mop list
nail: tiny metal sharp wood wall holds | hammer finger polish
screw: tiny metal turns wood holds thread | driver bolt nail
glue: sticks wet paper small holds school | paste adhesive bond
tape: sticks long thin roll paper holds | adhesive duct measure
ruler: measures straight school long flat lines | king inch centimeter
needle: tiny sharp thin thread cloth metal | sew haystack pin
key: small metal turns opens door pocket | lock piano unlock
torch: light battery dark hand night camping | flashlight fire olympic
# furniture
chair: sit legs back wood single kitchen | table seat stool
stool: sit legs small simple single bar | chair seat toad
bench: sit long wood outdoors park simple | seat press justice
sofa: sit soft long living-room guests back | couch cushion potato
armchair: sit soft single living-room back comfortable | arm seat couch
table: legs flat wood eating kitchen top | chair desk dinner
desk: legs flat work office drawers top | table study school
bed: sleep soft long night bedroom legs | mattress blanket pillow
cradle: sleep small baby rocks bedroom wood | cot crib lullaby
hammock: sleep hangs outdoors garden cloth summer | swing tree net
wardrobe: clothes tall doors bedroom wood big | closet narnia hanger
dresser: clothes drawers bedroom low wood top | chest cabinet commode
shelf: wall flat books holds wood rows | bookcase rack library
cupboard: doors kitchen holds plates wall wood | cabinet closet mother
mirror: glass wall flat face shows bathroom | reflection image vanity
lamp: light electric night small table-top warm | bulb shade genie
carpet: floor soft flat wool living-room big | rug flying persian
curtain: window cloth hangs light pair long | drape shower theater
clock: wall round time shows ticks small | watch alarm hour
fridge: kitchen cold electric doors tall food | refrigerator freezer ice
oven: kitchen hot electric doors dinner food | bake stove microwave
bathtub: bathroom water long white warm lying | shower bubble soak
sink: bathroom kitchen water round hands white | basin drown tap
bookcase: books tall rows wood study holds | shelf library novel
# vehicle
car: road four-wheels motor family doors daily | drive auto garage
bus: road big motor passengers city stops | driver school coach
truck: road big motor heavy goods loud | lorry pickup trailer
taxi: road motor city paid yellow doors | cab uber meter
ambulance: road motor sick loud fast white | hospital siren emergency
bicycle: road two-wheels pedals quiet healthy light | bike cycle chain
motorcycle: road two-wheels motor loud fast helmet | bike harley rider
scooter: two-wheels light small children standing city | vespa kick moped
tractor: four-wheels motor field slow strong loud | farm plow farmer
train: rails long passengers fast stops cars-behind | station track locomotive
tram: rails city passengers stops electric street | streetcar track trolley
subway: rails city under dark passengers stops | metro underground tube
airplane: air wings fast passengers far motor | plane pilot fly
helicopter: air loud rotor hovers small motor | chopper blades pilot
rocket: space fire fast loud far tall | nasa moon launch
balloon: air quiet slow basket round fire | hot party float
ship: water big far passengers goods motor | boat sail captain
boat: water small fishing lake wood simple | ship row sail
canoe: water small narrow quiet river hand | paddle kayak indian
ferry: water passengers cars-on short stops river | boat fairy cross
submarine: water under dark navy metal quiet | yellow periscope torpedo
sled: snow children downhill wood winter simple | sleigh dog santa
wagon: four-wheels horses old wood slow goods | cart station western
tank: army heavy metal tracks gun slow | fish war soldier
# job
doctor: sick hospital studied white helps checks | nurse medicine patient
nurse: sick hospital helps gentle night white | doctor patient care
dentist: teeth mouth checks drill studied pain | tooth cavity braces
teacher: children class explains books studied tests | school student pupil
farmer: animals fields early outdoors food tractor | farm crop barn
baker: bread early hot food shop flour | oven dough cake
butcher: meat knife shop food animals cuts | beef cleaver baker
cook: food hot kitchen tasty restaurant knife | chef meal recipe
waiter: food restaurant serves tips plates walks | menu table server
pilot: air plane uniform far travels sits | fly cockpit captain
sailor: water ship far travels uniform months | sea navy popeye
driver: road sits bus travels taxi steers | car drive license
policeman: uniform law streets gun catches helps | cop thief officer
fireman: uniform water danger ladder helps hot | fire burn hose
soldier: uniform gun danger army far orders | war fight tank
judge: law court decides old fair robe | gavel jury sentence
lawyer: law court argues studied suit papers | attorney sue client
singer: music voice stage famous concerts microphone | sing song opera
painter: art colors brush wall pictures paper | paint picasso canvas
writer: art books paper words alone stories | author novel pen
actor: stage famous roles film art learns | movie hollywood theater
dancer: stage music moves legs art fit | ballet dance tango
tailor: clothes needle cuts measures shop suit | sew swift taylor
barber: hair cuts shop beard men mirror | scissors shave seville
plumber: pipes water house repairs wrench wet | leak toilet mario
# building
house: family small roof garden living private | home brick window
castle: old stone towers king walls hill | knight princess sand
palace: rich big king garden elegant old | buckingham royal prince
church: old quiet tower bells sunday prayers | priest cross god
school: children classes learning morning bell yard | teacher student pupil
library: books quiet students borrowed shelves learning | librarian read novel
museum: old art pictures quiet tickets guided | exhibit dinosaur gallery
theater: stage actors evening seats tickets curtain | play drama movie
cinema: film dark evening seats tickets screen | movie popcorn theater
stadium: sport loud huge seats tickets grass | football arena fans
hospital: sick beds doctors white clean long-halls | nurse patient surgery
pharmacy: sick shop pills small counter clean | drug medicine chemist
hotel: beds guests travel paid nights rooms | motel inn lobby
restaurant: food tables evening waiters paid guests | eat menu dinner
bakery: food shop morning smells bread small | baker cake oven
supermarket: food shop big carts daily paid | grocery market mall
bank: money paid counter safe guards clean | river cash account
prison: locked guards walls cells years grey | jail criminal bars
factory: machines workers loud big goods chimneys | plant industry assembly
barn: animals hay wood farm red roof | cow farmer stable
garage: cars house door oil dark tools | park vehicle sale
lighthouse: light tower sea night ships lonely | beacon coast keeper
tower: tall narrow stone stairs view old | eiffel pisa high
airport: planes travel huge tickets waiting suitcases | fly runway flight
station: trains travel tickets waiting clock platforms | railway grand stop
# instrument
piano: keys big black-and-white home concert sits | grand pianist upright
organ: keys huge pipes church loud feet | heart donor pedal
accordion: keys folk bellows shoulder air folds | squeeze polka box
guitar: strings fingers campfire rock neck wood | acoustic hendrix bass
violin: strings bow small high chin orchestra | fiddle stradivari cello
cello: strings bow big low sits orchestra | violin viola bass
harp: strings fingers big angel standing orchestra | pluck greek lyre
banjo: strings fingers folk round country neck | guitar pluck kazooie
ukulele: strings fingers small island cheerful folk | hawaii guitar pluck
flute: wind thin high metal orchestra sideways | magic blow pipe
clarinet: wind black orchestra reed wood long | squidward woodwind blow
saxophone: wind jazz brass-made curved reed solo | sax blow lisa
trumpet: wind loud brass-made high army shiny | horn blow jazz
trombone: wind brass-made slides low long orchestra | trumpet horn blow
tuba: wind brass-made low huge heavy parade | horn blow bass
horn: wind brass-made round orchestra hunters curved | unicorn french blow
harmonica: wind tiny pocket mouth folk blues | blow lips dylan
bagpipes: wind bag loud scotland kilt parade | pipe blow scottish
recorder: wind school wood simple children thin | tape flute record
drum: hits round loud rock beat sticks | snare ringo kit
triangle: hits metal tiny three high orchestra | corner pyramid bermuda
xylophone: hits wood bars colorful children mallets | marimba vibraphone glockenspiel
bell: hits metal church tower loud swings | ring jingle door
tambourine: shakes round small jingles hand cheerful | man bob drum
# sport
football: ball team feet grass goal popular | soccer kick touchdown
basketball: ball team hands tall hoop indoors | dunk jordan nba
volleyball: ball team hands net beach jump | spike serve set
baseball: ball team bat american gloves grass | pitcher homerun base
cricket: ball team bat english white long | insect wicket bowl
hockey: team ice stick goal fast rough | puck skate canada
rugby: ball team rough grass english egg-shaped | scrum tackle zealand
tennis: ball two net racket court wimbledon | serve federer set
badminton: two net racket light indoors feathers | shuttlecock birdie tennis
golf: ball alone holes grass rich calm | club tiger tee
bowling: ball indoors heavy pins roll lane | strike alley spare
billiards: ball indoors table stick calm bar | pool cue snooker
boxing: two fists rough ring gloves indoors | punch ali box
wrestling: two rough floor strong grips indoors | sumo wwe hold
judo: two floor japan belt throws grips | karate martial black
fencing: two thin white mask old blade | sword foil garden
swimming: water alone fast pool arms healthy | swim stroke dive
diving: water jump high pool alone brave | scuba deep board
surfing: water waves board beach brave standing | surf hawaii internet
rowing: water boat team arms river backwards | oar row canoe
skiing: snow mountain fast two-boards winter poles | ski slope alps
skating: ice blades winter music elegant turns | skate rink figure
running: alone feet fast outdoors healthy simple | run marathon jog
cycling: wheels road fast outdoors healthy legs | bike bicycle tour
climbing: mountain rope hands high brave walls | climb everest rock
archery: arrow target quiet old calm outdoors | bow quiver robin
# nature
sun: sky hot bright yellow day round | moon light star
moon: sky night round white cold changes | sun cheese lunar
star: sky night tiny bright far many | wish twinkle movie
cloud: sky white soft grey wet floats | rain computer cumulus
rain: sky wet falls drops grey spring | umbrella water cloud
snow: white cold falls soft winter flakes | man avalanche ski
ice: cold hard winter slippery lake clear | cream freeze water
wind: air moves invisible sails cold strong | blow breeze mill
storm: sky loud dangerous strong wet dark | thunder hurricane lightning
lightning: sky bright fast dangerous loud electric | thunder bolt zeus
rainbow: sky colors curved wet bright rare | pot gold leprechaun
fog: grey wet low morning thick invisible | mist haze london
mountain: high rocks snowy climbed big far | hill everest peak
hill: high green round small grassy climbed | mountain slope jack
valley: low green river between big grassy | silicon mountain dale
river: wet long flows fish bridges fresh | stream water nile
lake: wet still fish deep fresh round | pond water michigan
ocean: wet salty deep blue huge waves | sea pacific water
beach: yellow waves summer towels flat warm | sand sea shore
island: surrounded palm sandy lonely small far | treasure crusoe water
desert: sandy hot dry empty huge camels | sahara cactus dune
forest: green trees dark quiet big shady | wood jungle black
volcano: fire hot dangerous high smoke rocks | lava erupt ash
cave: dark rocks bats old wet deep | man bear grotto
waterfall: wet falls loud high rocks flows | niagara water cascade
"""


@dataclass(frozen=True)
class Word:
    """What is known of one word."""

    word: str
    category: str
    attributes: tuple[str, ...]
    taboo: tuple[str, ...]


def _read(text: str) -> dict[str, tuple[Word, ...]]:
    """The words of each category."""
    words: dict[str, list[Word]] = {}
    category = ""
    for line in text.strip().splitlines():
        if line.startswith("# "):
            category = line.removeprefix("# ")
            words[category] = []
            continue
        word, _, rest = line.partition(": ")
        attributes, _, taboo = rest.partition(" | ")
        words[category].append(Word(word, category, tuple(attributes.split()), tuple(taboo.split())))
    return {category: tuple(known) for category, known in words.items()}


WORDS = _read(_WORDS)
"""By category."""


def drawn_words(count: int, *, is_mixed: bool, rng: np.random.Generator) -> list[Word]:
    """So many words in an order drawn at random: of one category, or each of another one."""
    if not is_mixed:
        known = list(WORDS.values())[int(rng.integers(len(WORDS)))]
        return [known[place] for place in rng.choice(len(known), count, replace=False).tolist()]
    chosen = [list(WORDS.values())[place] for place in rng.choice(len(WORDS), count, replace=False).tolist()]
    return [known[int(rng.integers(len(known)))] for known in chosen]


def spared(word: Word, most: int, rng: np.random.Generator) -> list[str]:
    """Attributes drawn at random, at most so many, without which the others still tell the word from its category."""
    left = set(word.attributes)
    taken: list[str] = []
    for place in rng.permutation(len(word.attributes)).tolist():
        fewer = left - {word.attributes[place]}
        if len(taken) < most and not any(fewer <= {*each.attributes} for each in WORDS[word.category] if each != word):
            taken.append(word.attributes[place])
            left = fewer
    return taken
