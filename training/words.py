"""Words that questions are about, and the sounds that made-up words are put together from."""

_ONSETS = "ch sh th br cr dr fl gl gr pl pr st tr qu x"
_NUCLEI = "ai ea ee io oa oo ou y"
CONSONANTS = (*"bcdfghjklmnprstvwz", *_ONSETS.split())
VOWELS = (*"aeiouaeiou", *_NUCLEI.split())

_WORDS = """
apple apricot avocado banana blackberry blueberry cherry coconut cranberry date fig grape grapefruit guava kiwi
lemon lime mango melon nectarine olive orange papaya peach pear pineapple plum pomegranate raspberry strawberry
tangerine watermelon artichoke asparagus bean beetroot broccoli cabbage carrot cauliflower celery corn cucumber
eggplant garlic ginger kale leek lentil lettuce mushroom onion parsley pea pepper potato pumpkin radish spinach
tomato turnip zucchini bread butter cheese chocolate coffee cookie cream honey jam juice milk noodle oatmeal pancake
pasta pizza pudding rice salad sandwich soup sugar syrup tea vanilla vinegar waffle water yogurt alligator ant
antelope badger bat bear beaver bee bison buffalo butterfly camel cat cheetah chicken cobra cow crab crane cricket
crocodile crow deer dog dolphin donkey dragonfly duck eagle elephant falcon ferret flamingo fox frog gazelle giraffe
goat goose gorilla hamster hawk hedgehog heron hippo horse hyena iguana jaguar jellyfish kangaroo koala leopard lion
lizard llama lobster lynx magpie mole monkey moose mosquito moth mouse mule octopus ostrich otter owl oyster panda
panther parrot peacock pelican penguin pig pigeon puma python rabbit raccoon rat raven rhino salmon seal shark sheep
shrimp skunk sloth snail snake sparrow spider squid squirrel swan tiger toad trout turkey turtle walrus wasp weasel
whale wolf wombat worm yak zebra amber azure beige black blue bronze brown copper coral crimson emerald gold gray
green indigo ivory lavender magenta maroon orchid pink purple red ruby scarlet silver teal turquoise violet white
yellow airport alarm anchor angel apron arch armchair arrow atlas attic autumn axe backpack badge bakery balcony
ball balloon bamboo bandage bank barrel basket bathroom battery beach beacon bedroom bell bench bicycle blanket
blossom board boat bolt book boots bottle bowl box bracelet branch brick bridge broom brush bucket building bus
button cabin cable cactus cake calendar camera candle canoe canvas canyon captain carpet castle cellar ceiling chair
chalk chapel chimney church circle city clock closet cloud coat coin collar column comet compass computer concert
container cottage cotton couch country cradle crayon crown crystal cup curtain cushion cylinder dance dawn desert
desk diamond dinner doctor document door dragon drawer dream dress drum dust earth east elbow elevator engine
envelope evening fabric factory farm feather fence festival field finger fire flag flame flashlight flower flute
foam folder forest fork fountain frame freedom friend frost funnel furnace galaxy garage garden gate giant glacier
glass globe glove guitar hammer harbor harp hat helmet highway hill history horizon hospital hotel house hurricane
iceberg island jacket jewel jungle kettle key kitchen kite knife ladder lake lamp lantern laptop laundry leaf
leather lemonade letter library lightning lock machine magazine magnet mailbox map marble market mask meadow medal
mirror money moon morning motor mountain museum music napkin needle nest network night north notebook ocean office
orchestra oven package paint palace paper parachute park passport pencil pepperoni piano picture pillow pilot pipe
planet plate pocket poem police pond postcard puzzle pyramid quarter queen question radar radio rain rainbow receipt
record ribbon ring river road robot rocket roof room rope rose saddle sailor sand satellite saw scarf school
scissors sea season shadow shelf shell shield ship shirt shoe shop shovel sink sister skeleton sky sled smile snow
soap sofa soil song spoon spring square stadium stage stair stamp star station statue stone storm stove street
string suitcase summer sun sunset table teacher telephone telescope temple tent theater thunder ticket tower town
toy tractor train treasure tree triangle truck trumpet tunnel umbrella uniform universe valley vase village violin
volcano wagon wall wallet watch waterfall wave weather wheel whistle window winter wizard wood wool world yacht
about above across after again almost always among answer before begin behind below better between bright busy calm
careful cheap clean clever cold cool curious deep different early easy empty famous fast fresh friendly funny gentle
gone great happy hard heavy hello hidden honest hungry huge kind large late lazy light little lonely long loud lucky
mighty modern narrow never noisy often old perfect plain polite proud quick quiet rapid rare ready rich rough round
sad safe sharp short shy silent simple slow small smart smooth soft solid sour strange strong sweet swift tall thick
thin tidy tiny tired tough true under useful warm weird wide wild wise wonderful young algorithm banking binary
compiler database debugging function integer javascript kernel keyboard language variable amsterdam athens berlin
boston chicago dublin geneva lisbon london madrid oslo paris prague rome sydney tokyo vienna alice anna bob carlos
david diana emma felix george hannah ivan julia kevin laura maria nina oscar peter rachel robert sarah sophia thomas
victor william assassin balloonist bookkeeper committee mississippi necessary occurrence parallel possession referee
success tattoo level madam noon racecar refer rotor stats civic kayak
"""
WORDS = tuple(_WORDS.split())
